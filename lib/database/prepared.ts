/**
 * Hot queries are built once. Kysely's builder costs 60–70 µs a query under load, more than SQLite needs to run it; here
 * it runs once for each database with markers where the parameters go, and each use only fills them in.
 */
import { type CompiledQuery, type RawBuilder, type Selectable, sql } from 'kysely'
import { select } from './commit.ts'
import { type Db, isPostgres } from './connect.ts'
import type { Database } from './schema.ts'

/** Stands for a parameter while the query is built; Kysely hands it on as any other value. */
class Marker {
  readonly name: PropertyKey
  constructor(name: PropertyKey) {
    this.name = name
  }
}

/** A query with its markers, and by place what each stands for; undefined where the value is the query's own. */
interface Built<Row> {
  readonly query: CompiledQuery<Row>
  readonly names: readonly (PropertyKey | undefined)[]
}

export interface Prepared<Row> {
  compile(): CompiledQuery<Row>
}

/**
 * Makes a function of the database and the parameters from the building of a query. `parameter` names a place; every
 * parameter is a single value (lists have one place for each member), and none may decide what is built.
 */
export const prepared = <Parameters, Row>(
  build: (
    db: Db,
    parameter: <Name extends keyof Parameters>(name: Name) => Parameters[Name],
  ) => { compile(): CompiledQuery<Row> },
): ((db: Db, parameters: Parameters) => Prepared<Row>) => {
  const built = new WeakMap<Db, Built<Row>>()
  return (db, parameters) => ({
    compile() {
      let made = built.get(db)
      if (!made) {
        // a marker is of no parameter's type; it is replaced before anything is executed
        const query = build(db, (name) => new Marker(name) as never).compile()
        const names = query.parameters.map((value) => (value instanceof Marker ? value.name : undefined))
        made = { query, names }
        built.set(db, made)
      }
      const { query, names } = made
      const filled = names.map((name, place) =>
        name === undefined ? query.parameters[place] : parameters[name as keyof Parameters],
      )
      // named one by one: a spread takes a microsecond more, several times a request
      return { query: query.query, queryId: query.queryId, sql: query.sql, parameters: filled }
    },
  })
}

/** Runs a prepared select. */
export const rowsOf = <Row>(db: Db, query: Prepared<Row>): Promise<Row[]> => select(db, query.compile())

/** The same for the insert of one row with these columns. */
export const inserting = <
  Table extends keyof Database & string,
  Column extends keyof Selectable<Database[Table]> & string,
>(
  table: Table,
  columns: readonly Column[],
) =>
  prepared<Pick<Selectable<Database[Table]>, Column>, unknown>((db, parameter) => {
    const places = columns.map((column) => [column, parameter(column)] as const)
    // the columns and their types are those of the table; Kysely cannot see that through fromEntries
    return db.insertInto(table).values(Object.fromEntries(places) as never)
  })

/** Rows of one statement. A few sizes, so that statements are built, and kept by the database, once for any number of rows. */
const sizes = [256, 64, 16, 4, 1] as const

/** The same for the inserts of many rows: as few statements as there have to be. */
export const insertingMany = <
  Table extends keyof Database & string,
  Column extends keyof Selectable<Database[Table]> & string,
>(
  table: Table,
  columns: readonly Column[],
) => {
  const inserts = sizes.map((size) => ({
    size,
    insert: prepared<readonly unknown[], unknown>((db, parameter) => {
      const row = (_: unknown, index: number) =>
        Object.fromEntries(
          columns.map((column, place) => [column, parameter(index * columns.length + place)] as const),
        )
      // as above
      return db.insertInto(table).values(Array.from({ length: size }, row) as never)
    }),
  }))
  return (
    db: Db,
    rows: readonly Pick<Selectable<Database[Table]>, Column>[],
  ): readonly Prepared<unknown>[] => {
    const statements: Prepared<unknown>[] = []
    let done = 0
    for (const { size, insert } of inserts) {
      for (; rows.length - done >= size; done += size) {
        const values = rows.slice(done, done + size).flatMap((row) => columns.map((column) => row[column]))
        statements.push(insert(db, values))
      }
    }
    return statements
  }
}

/**
 * The members of a JSON array given as one parameter, as the column `value` of a table: one statement for any number of
 * rows. `members` says whether they are texts, or arrays that `->>` takes apart.
 */
export const elementsOf = (db: Db, text: string, members: 'texts' | 'arrays'): RawBuilder<unknown> => {
  if (!isPostgres(db)) return sql`json_each(${text})`
  const name = sql.raw(members === 'texts' ? 'json_array_elements_text' : 'json_array_elements')
  // the driver writes JSON itself for a parameter of that type
  return sql`${name}(cast(cast(${text} as text) as json))`
}
