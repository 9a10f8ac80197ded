// Files embedded into the binary as text; @types/bun does not know these endings.
declare module '*.sql' {
  const text: string
  export default text
}
declare module '*.toml' {
  const text: string
  export default text
}
