/** `bun run build`: dist/mayact, the compiled binary. It reads no .env, bunfig, tsconfig or package.json at its place. */
const result = await Bun.build({
  entrypoints: ['server.ts'],
  compile: {
    outfile: 'dist/mayact',
    autoloadDotenv: false,
    autoloadBunfig: false,
    autoloadTsconfig: false,
    autoloadPackageJson: false,
  },
  minify: true,
  sourcemap: 'linked',
  bytecode: true,
  format: 'esm',
})
for (const message of result.logs) console.error(message)
if (!result.success) process.exit(1)
console.log('dist/mayact')

export {}
