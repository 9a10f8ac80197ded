// schema.sql is embedded into the binary as text; @types/bun does not know that ending.
declare module '*.sql' {
  const text: string
  export default text
}
