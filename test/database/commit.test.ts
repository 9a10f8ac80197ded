/** What a commit promises, told once and held by both databases. */
import { Database as Sqlite } from 'bun:sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { SQL } from 'bun'
import { sql } from 'kysely'
import {
  bump,
  close,
  commit,
  exactly,
  holds,
  type Outcome,
  readRevision,
  revisionIs,
  runScript,
  type Write,
  write,
} from '../../lib/database/commit.ts'
import { connect, type DatabaseConfig, type Db } from '../../lib/database/connect.ts'
import { migrate, rootOrganization } from '../../lib/database/migrate.ts'
import { databases } from '../databases.ts'

const now = '2026-01-02T03:04:05.678Z'
const inParallel = <T>(count: number, one: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => one(index)))

/** Whether it throws; `expect(…).rejects` would stop the event loop that a commit needs. */
const throws = (promise: Promise<unknown>) =>
  promise.then(
    () => false,
    () => true,
  )

/** The tests' plainest row: an id and a text. It is kept where no foreign key asks for more. */
const note = (db: Db, id: string, text = '') =>
  write(db.insertInto('login_failure').values({ id, account_key: text, address: '', failed_at: now }))
const rewrite = (db: Db, from: string, to: string) =>
  db.updateTable('login_failure').set({ account_key: to }).where('account_key', '=', from)
const notes = async (db: Db) => {
  const rows = await db
    .selectFrom('login_failure')
    .select(['id', 'account_key as text'])
    .orderBy('id')
    .execute()
  return Object.fromEntries(rows.map(({ id, text }) => [id, text]))
}

/** A parent with a unique name, and a child with a foreign key to it. */
const parent = (db: Db, id: string, name = id) =>
  write(db.insertInto('idn_config_type').values({ id, name, description: null }))
const child = (db: Db, id: string, parentId: string) =>
  write(
    db.insertInto('idn_config_resource').values({
      id,
      tenant_id: 1,
      name: id,
      created_time: now,
      last_modified: now,
      has_file: false,
      has_attribute: false,
      type_id: parentId,
    }),
  )
const children = async (db: Db, parentId: string) => {
  const rows = await db
    .selectFrom('idn_config_resource')
    .select('id')
    .where('type_id', '=', parentId)
    .execute()
  return rows.map(({ id }) => id)
}

/** Takes the lock that every commit needs, as another process would; answers how to let it go. */
const lockFromOutside = async (config: DatabaseConfig): Promise<() => Promise<void>> => {
  if (config.type === 'sqlite') {
    const other = new Sqlite(config.path)
    other.exec('begin immediate')
    return async () => {
      other.exec('rollback')
      other.close()
    }
  }
  const other = new SQL(config.url, { max: 1 })
  const connection = await other.reserve()
  await connection.unsafe('begin; lock table login_failure in share row exclusive mode')
  return async () => {
    await connection.unsafe('rollback')
    connection.release()
    await other.end()
  }
}

/** Runs commits of notes while the database fails under them: a full disk, or its connections killed. */
const whileFailing = async <T>(db: Db, config: DatabaseConfig, commits: () => Promise<T>): Promise<T> => {
  if (config.type === 'sqlite') {
    await runScript(db, 'pragma max_page_count = 1')
    const result = await commits()
    await runScript(db, 'pragma max_page_count = 1000000')
    return result
  }
  const other = new SQL(config.url, { max: 1 })
  const unlock = await lockFromOutside(config)
  const running = commits()
  const victims =
    "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%login_failure%'"
  for (let waiting = 0; waiting < 3; ) {
    const [row] = await other.unsafe(`select count(*)::integer as n ${victims}`)
    waiting = row.n
  }
  await other.unsafe(`select pg_terminate_backend(pid) ${victims}`)
  const result = await running
  await unlock()
  await other.end()
  return result
}

for (const database of databases) {
  describe(`a commit on ${database.name}`, () => {
    let config: DatabaseConfig
    let db: Db
    /** A second handle, as another process has it. */
    let other: Db

    beforeAll(async () => {
      config = await database.create()
      db = await connect(config)
      await migrate(db, new Date(now))
      other = await connect(config)
    })
    afterAll(async () => {
      await close(db)
      await close(other)
    })
    beforeEach(async () => {
      expect(await commit(db, [write(db.deleteFrom('login_failure'))])).toBe('committed')
    })

    /** What makes no difference to a commit, but for the way in which Postgres is told of it. */
    const fillings = (): readonly (readonly Write[])[] => [
      [],
      [write(db.deleteFrom('login_failure').where('id', '=', 'nothing'))],
    ]

    test('it writes everything when all guards hold', async () => {
      for (const [round, filling] of fillings().entries()) {
        const guards = [
          exactly(1, db.updateTable('organization').set({ name: 'Super' }).where('parent_id', 'is', null)),
          exactly(0, db.updateTable('organization').set({ name: 'x' }).where('id', '=', 'nothing')),
          holds(db.selectFrom('meta').select('name').where('name', '=', 'schema_version')),
          revisionIs(await readRevision(db)),
        ]
        for (const [index, guard] of guards.entries()) {
          const id = `${round}${index}`
          expect(await commit(db, [guard, ...filling, note(db, `${id}a`), note(db, `${id}b`)])).toBe(
            'committed',
          )
          expect(await commit(db, [note(db, `${id}c`), ...filling, note(db, `${id}d`), guard])).toBe(
            'committed',
          )
        }
      }
      expect(Object.keys(await notes(db))).toHaveLength(2 * 4 * 4)
    })

    test('it writes nothing when a guard is lost, wherever in the list it stands', async () => {
      const n = await readRevision(db)
      const types = await db.selectFrom('idn_config_type').select('id').execute()
      const guards = [
        exactly(1, db.updateTable('organization').set({ name: 'x' }).where('id', '=', 'nothing')),
        exactly(1, db.updateTable('idn_config_type').set({ description: 'x' })),
        exactly(types.length + 2, db.updateTable('idn_config_type').set({ description: 'x' })),
        exactly(1, db.deleteFrom('login_failure').where('id', '=', 'nothing')),
        holds(db.selectFrom('meta').select('name').where('name', '=', 'nothing')),
        revisionIs(n - 1),
        revisionIs(n + 1),
      ]
      for (const filling of fillings()) {
        const written = [note(db, 'a'), parent(db, 'lost'), ...filling]
        for (const guard of guards) {
          expect(await commit(db, [guard, ...written])).toBe('lost')
          expect(await commit(db, [note(db, 'b'), guard, ...written])).toBe('lost')
          expect(await commit(db, [...written, guard])).toBe('lost')
          expect(await commit(db, [...written, guard, bump])).toBe('lost')
        }
      }
      expect(await notes(db)).toEqual({})
      expect(
        await db.selectFrom('idn_config_type').select('id').where('description', '=', 'x').execute(),
      ).toEqual([])
      expect(await db.selectFrom('idn_config_type').select('id').execute()).toEqual(types)
      expect(await readRevision(db)).toBe(n)
    })

    test('it needs no member', async () => {
      expect(await commit(db, [])).toBe('committed')
    })

    test('a failing member takes nobody with it and leaves nothing', async () => {
      for (const filling of fillings()) {
        await commit(db, [write(db.deleteFrom('login_failure')), note(db, 'taken')])
        const bad: Record<number, Write> = {
          5: note(db, 'taken'),
          9: child(db, 'orphan', 'nothing'),
          13: note(db, 'nobody', null as never),
          17: write({ compile: () => sql`insert into nowhere values (1)`.compile(db) }),
        }
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) => {
            const member = bad[index]
            return commit(db, [note(db, `n${index}`), ...filling, ...(member ? [member] : [])])
          }),
        )
        const heard = results.map((result) => (result.status === 'fulfilled' ? result.value : 'thrown'))
        const expected: (Outcome | 'thrown')[] = Array.from({ length: 20 }, () => 'committed')
        expected[5] = expected[9] = 'conflict'
        expected[13] = expected[17] = 'thrown'
        expect(heard).toEqual(expected)
        const kept = Array.from({ length: 20 }, (_, index) => `n${index}`).filter((_, index) => !bad[index])
        expect(Object.keys(await notes(db)).sort()).toEqual([...kept, 'taken'].sort())
      }
    })

    test('a value that cannot be sent fails the whole commit, and the next ones work', async () => {
      for (const filling of fillings()) {
        await inParallel(12, async (index) => {
          const impossible = Symbol('no text') as never
          const member = [note(db, `a${index}`), ...filling, note(db, `b${index}`, impossible)]
          expect(await throws(commit(db, [...member, note(db, `c${index}`)]))).toBe(true)
        })
        expect(await notes(db)).toEqual({})
        const outcomes = await inParallel(12, (index) => commit(db, [note(db, `d${index}`), ...filling]))
        expect(outcomes).toEqual(Array.from({ length: 12 }, () => 'committed'))
        expect(Object.keys(await notes(db))).toHaveLength(12)
        await commit(db, [write(db.deleteFrom('login_failure'))])
      }
    })

    test('when the transaction fails all members fail, nothing is written, and the next ones work', async () => {
      for (const filling of fillings()) {
        // more than the pages that earlier tests have left free
        const huge = 'x'.repeat(5_000_000)
        const members = () =>
          Promise.allSettled(
            ['', huge, ''].map((text, index) =>
              commit(db, [parent(db, `failed${index}`), ...filling, note(db, `${index}`, text)]),
            ),
          )
        const results = await whileFailing(db, config, members)
        expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
        expect(await notes(db)).toEqual({})
        const left = db.selectFrom('idn_config_type').select('id').where('id', 'like', 'failed%')
        expect(await left.execute()).toEqual([])

        const text = 'x'.repeat(50_000)
        const outcomes = await inParallel(12, (index) => commit(db, [note(db, `${index}`, text), ...filling]))
        expect(outcomes).toEqual(Array.from({ length: 12 }, () => 'committed'))
        expect(Object.keys(await notes(db))).toHaveLength(12)
        await commit(db, [write(db.deleteFrom('login_failure'))])
      }
    })

    // on Postgres every commit has a transaction of its own: there is no outer one
    if (database.name === 'SQLite') {
      test('when the outer COMMIT itself fails all members fail and nothing is written', async () => {
        const deferred = { compile: () => sql`pragma defer_foreign_keys = on`.compile(db) }
        const results = await Promise.allSettled([
          commit(db, [note(db, 'a')]),
          commit(db, [write(deferred), child(db, 'orphan', 'nothing')]),
          commit(db, [note(db, 'b')]),
        ])
        expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
        expect(await notes(db)).toEqual({})
        expect(await commit(db, [note(db, 'c')])).toBe('committed')
        expect(await notes(db)).toEqual({ c: '' })
      })
    }

    test('it does what the list says, in its order', async () => {
      // a parent, then its child
      expect(await commit(db, [parent(db, 'p'), child(db, 'c', 'p')])).toBe('committed')
      expect(await children(db, 'p')).toEqual(['c'])

      // a row, then a change of that row
      expect(await commit(db, [note(db, 'row', 'new'), exactly(1, rewrite(db, 'new', 'changed'))])).toBe(
        'committed',
      )
      expect(await notes(db)).toEqual({ row: 'changed' })

      // two changes of one row, the second of what the first made
      const twice = [exactly(1, rewrite(db, 'changed', 'once')), exactly(1, rewrite(db, 'once', 'twice'))]
      expect(await commit(db, twice)).toBe('committed')
      expect(await notes(db)).toEqual({ row: 'twice' })

      // one row is spent and another of its table made, which the change must not touch
      const spent = [exactly(1, rewrite(db, 'twice', 'spent')), note(db, 'next', 'twice')]
      expect(await commit(db, spent)).toBe('committed')
      expect(await notes(db)).toEqual({ row: 'spent', next: 'twice' })

      // a unique key is given up and taken again, by a change and by a deletion
      const renamed = db.updateTable('idn_config_type').set({ name: 'free' }).where('id', '=', 'p')
      expect(await commit(db, [write(renamed), parent(db, 'q', 'p')])).toBe('committed')
      expect(await commit(db, [parent(db, 'r', 'q'), write(renamed)])).toBe('committed')
      const deleted = db.deleteFrom('idn_config_type').where('id', '=', 'q')
      expect(await commit(db, [exactly(1, deleted), parent(db, 'q', 'p'), child(db, 'd', 'q')])).toBe(
        'committed',
      )
      expect(await children(db, 'q')).toEqual(['d'])

      // a guard sees what was written before it, by an insert and by an update, and not what comes after
      const exists = (id: string) => holds(db.selectFrom('login_failure').select('id').where('id', '=', id))
      const reads = (text: string) =>
        holds(db.selectFrom('login_failure').select('id').where('account_key', '=', text))
      expect(await commit(db, [note(db, 'seen'), exists('seen')])).toBe('committed')
      expect(await commit(db, [exists('unseen'), note(db, 'unseen')])).toBe('lost')
      expect(await commit(db, [write(rewrite(db, 'spent', 'respent')), reads('spent')])).toBe('lost')
      expect(await commit(db, [reads('spent'), write(rewrite(db, 'spent', 'respent'))])).toBe('committed')

      // and so does a statement with a question in it
      const ifThere = db
        .updateTable('organization')
        .set({ name: 'Super' })
        .where('id', '=', rootOrganization.id)
        .where(({ exists: is, selectFrom }) =>
          is(selectFrom('login_failure').select('id').where('id', '=', 'asked')),
        )
      expect(await commit(db, [note(db, 'asked'), exactly(1, ifThere)])).toBe('committed')
      const copied = db.insertInto('login_failure').values(({ selectFrom }) => ({
        id: 'copy',
        account_key: selectFrom('login_failure').select('account_key').where('id', '=', 'original'),
        address: '',
        failed_at: now,
      }))
      expect(await commit(db, [note(db, 'original', 'text'), write(copied)])).toBe('committed')
      expect((await notes(db)).copy).toBe('text')
    })

    test('it counts the rows of the statement, not those that go along with them', async () => {
      await commit(db, [parent(db, 'family'), child(db, 'one', 'family'), child(db, 'two', 'family')])
      const removed = db.deleteFrom('idn_config_type').where('id', '=', 'family')
      expect(await commit(db, [exactly(1, removed)])).toBe('committed')
      expect(await children(db, 'family')).toEqual([])
    })

    test('it takes a statement that returns something', async () => {
      for (const filling of fillings()) {
        const returning = db
          .insertInto('login_failure')
          .values({ id: 'r', account_key: '', address: '', failed_at: now })
          .returning('id')
        expect(await commit(db, [exactly(1, returning), ...filling])).toBe('committed')
        expect(await commit(db, [write(db.deleteFrom('login_failure').returning('id'))])).toBe('committed')
      }
    })

    test('of 100 racers for one row exactly one wins and the losers leave nothing', async () => {
      for (const filling of fillings()) {
        await commit(db, [
          write(db.deleteFrom('login_failure')),
          write(db.deleteFrom('lineage')),
          note(db, 'prize', 'unspent'),
        ])
        const trace = (id: string) =>
          write(db.insertInto('lineage').values({ id, kind: 'trace', ends_at: now }))
        const outcomes = await inParallel(100, (index) =>
          commit(index % 2 ? db : other, [
            trace(`${index}-before`),
            exactly(1, rewrite(db, 'unspent', `spent by ${index}`)),
            ...filling,
            trace(`${index}-after`),
          ]),
        )
        expect(outcomes.filter((outcome) => outcome === 'committed')).toHaveLength(1)
        expect(outcomes.filter((outcome) => outcome === 'lost')).toHaveLength(99)
        const winner = outcomes.indexOf('committed')
        expect(await notes(db)).toEqual({ prize: `spent by ${winner}` })
        const traces = await db.selectFrom('lineage').select('id').orderBy('id').execute()
        expect(traces.map(({ id }) => id)).toEqual([`${winner}-after`, `${winner}-before`])
      }
    })

    test('many at once are all written', async () => {
      const outcomes = await inParallel(200, (index) => commit(db, [note(db, `${index}`)]))
      expect(new Set(outcomes)).toEqual(new Set(['committed']))
      expect(Object.keys(await notes(db))).toHaveLength(200)
    })

    test('its own writes are read back at once', async () => {
      for (const filling of fillings()) {
        await inParallel(20, async (index) => {
          const id = `own${index}${filling.length}`
          await commit(db, [note(db, id, id), ...filling])
          expect((await notes(db))[id]).toBe(id)
          await commit(db, [exactly(1, rewrite(db, id, `${id} changed`)), ...filling])
          expect((await notes(db))[id]).toBe(`${id} changed`)
        })
      }
    })

    /**
     * Rounds of one race: deciders read whether they may and commit what follows from it, while an administrator
     * withdraws the right. What is there when the withdrawal is acknowledged must be all there will ever be.
     */
    const race = async (rounds: number, rules: RaceRules) => {
      let decisions = 0
      let stale = 0
      for (let round = 0; round < rounds; round += 1) {
        await rules.permit()
        let acknowledged = false
        let late = 0
        const decide = async (decider: number) => {
          const on = decider % 2 ? db : other
          const filling = decider % 3 ? [] : [write(on.deleteFrom('login_failure').where('id', '=', 'none'))]
          for (let turn = 0; ; turn += 1) {
            const afterwards = acknowledged
            const guards = await rules.decision(on)
            if (!guards) return
            // a decision that began after the withdrawal has seen it
            if (afterwards) late += 1
            const made = note(on, `${round}-${decider}-${turn}`, `${round}`)
            const outcome = await commit(on, [...guards, made, ...filling])
            if (outcome === 'committed') decisions += 1
            else stale += 1
          }
        }
        const deciders = inParallel(6, decide)
        for (let wait = round % 7; wait > 0; wait -= 1) await new Promise((resolve) => setImmediate(resolve))
        expect(await rules.withdraw(round % 2 ? db : other)).toBe('committed')
        acknowledged = true
        const atThatMoment = await notes(db)
        await deciders
        expect(await notes(db)).toEqual(atThatMoment)
        expect(late).toBe(0)
      }
      expect(Object.keys(await notes(db))).toHaveLength(decisions)
      // the race was one: some decisions came before the withdrawal, some had begun before it and came too late
      expect(decisions).toBeGreaterThan(rounds / 2)
      expect(stale).toBeGreaterThan(rounds / 2)
    }

    interface RaceRules {
      permit(): Promise<void>
      /** The guards of a decision, or nothing when the right is not there. */
      decision(on: Db): Promise<readonly Write[] | undefined>
      withdraw(on: Db): Promise<Outcome>
    }

    test('no decision commits once the withdrawal of a role’s permission is acknowledged', async () => {
      const permission = { role_id: 'role', scope_name: 'scope' }
      await runScript(
        db,
        `insert into api_resource (id, identifier, name, type, created_at) values ('api', 'api', 'api', 'TENANT', '${now}');
         insert into scope (name, id, api_resource_id, display_name) values ('scope', 'scope', 'api', 'scope');
         insert into role (id, organization_id, name, audience_type, audience_id, created_at, modified_at)
           values ('role', '${rootOrganization.id}', 'role', 'organization', 'o', '${now}', '${now}');`,
      )
      await race(150, {
        async permit() {
          const granted = write(db.insertInto('role_permission').values(permission))
          expect(await commit(db, [granted, bump])).toBe('committed')
        },
        async decision(on) {
          const n = await readRevision(on)
          const found = await on.selectFrom('role_permission').selectAll().executeTakeFirst()
          return found && [revisionIs(n)]
        },
        withdraw: (on) => commit(on, [exactly(1, on.deleteFrom('role_permission')), bump]),
      })
    })

    test('no decision commits once a new version of the account is acknowledged', async () => {
      const account = {
        id: 'account',
        organization_id: rootOrganization.id,
        user_name: 'a',
        user_name_key: 'a',
        attributes: '{}',
        created_at: now,
        modified_at: now,
      }
      await commit(db, [write(db.insertInto('account').values({ ...account, version: 1 }))])
      const change = (on: Db, locked_at: string | null) =>
        exactly(
          1,
          on
            .updateTable('account')
            .set((is) => ({ locked_at, version: is('version', '+', 1) }))
            .where('id', '=', 'account'),
        )
      await race(150, {
        async permit() {
          expect(await commit(db, [change(db, null)])).toBe('committed')
        },
        async decision(on) {
          const n = await readRevision(on)
          const row = await on
            .selectFrom('account')
            .select(['version', 'locked_at'])
            .executeTakeFirstOrThrow()
          if (row.locked_at) return undefined
          const same = on
            .selectFrom('account')
            .select('id')
            .where('id', '=', 'account')
            .where('version', '=', row.version)
          // not in the order of the administrator, who takes the revision first
          return [holds(same), revisionIs(n)]
        },
        // every second one changes an administrative fact, too; the revision alone must not be what saves the day
        withdraw: (on) => commit(on, on === db ? [change(on, now)] : [change(on, now), bump]),
      })
    })

    test('an administrative commit makes older decisions lose, and only those', async () => {
      const n = await readRevision(db)
      expect(await commit(other, [note(other, 'admin'), bump])).toBe('committed')
      // requests of one moment share a reading
      await Bun.sleep(2)
      expect(await readRevision(db)).toBe(n + 1)
      expect(await commit(db, [note(db, 'old'), revisionIs(n)])).toBe('lost')
      expect(await commit(db, [note(db, 'new'), revisionIs(n + 1)])).toBe('committed')
      expect(await commit(db, [revisionIs(n + 1), bump, revisionIs(n + 2)])).toBe('committed')
      expect(Object.keys(await notes(db))).toEqual(['admin', 'new'])
    })

    test('a script happens whole or not at all, and makes the revision grow', async () => {
      const n = await readRevision(db)
      const line = (id: string) => `insert into login_failure values ('${id}', 'a; b', '', '${now}');`
      await runScript(db, `-- two lines\n${line('a')}\n${line('b')} -- the end`)
      expect(await notes(db)).toEqual({ a: 'a; b', b: 'a; b' })
      expect(await readRevision(db)).toBe(n + 1)
      expect(await commit(other, [note(other, 'old'), revisionIs(n)])).toBe('lost')

      for (const failing of [line('a'), 'insert into nowhere values (1)', 'insert into', "insert 'open"]) {
        expect(await throws(runScript(db, `${line('c')} ${failing}`))).toBe(true)
      }
      expect(await throws(runScript(db, `${line('d')} ${line('a')} ${line('e')}`))).toBe(true)
      expect(await notes(db)).toEqual({ a: 'a; b', b: 'a; b' })
      expect(await readRevision(db)).toBe(n + 1)
      expect(await commit(db, [note(db, 'after')])).toBe('committed')
    })

    test('it waits for another process without stopping this one', async () => {
      const unlock = await lockFromOutside(config)
      let ticks = 0
      const ticking = setInterval(() => {
        ticks += 1
      }, 5)
      let done = 0
      const waiting = inParallel(5, async (index) => {
        const outcome = await commit(db, [note(db, `${index}`)])
        done += 1
        return outcome
      })
      await Bun.sleep(200)
      expect(done).toBe(0)
      expect(ticks).toBeGreaterThan(20)
      expect(await notes(db)).toEqual({})
      await unlock()
      expect(new Set(await waiting)).toEqual(new Set(['committed']))
      clearInterval(ticking)
      expect(Object.keys(await notes(db))).toHaveLength(5)
    })

    test('a script waits for another process, too', async () => {
      const unlock = await lockFromOutside(config)
      let done = false
      const running = runScript(db, `insert into login_failure values ('s', '', '', '${now}')`).then(() => {
        done = true
      })
      await Bun.sleep(50)
      expect(done).toBe(false)
      await unlock()
      await running
      expect(Object.keys(await notes(db))).toEqual(['s'])
    })

    test('close waits for what is under way, and what comes later is refused', async () => {
      const leaving = await connect(config)
      const last = commit(leaving, [note(leaving, 'last')])
      await close(leaving)
      expect(await last).toBe('committed')
      expect(await throws(commit(leaving, [note(leaving, 'later')]))).toBe(true)
      expect(Object.keys(await notes(db))).toEqual(['last'])
    })
  })
}
