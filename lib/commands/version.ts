import { version } from '../../package.json'

export { version }

/** `mayact --version`. */
export const versionText = `mayact ${version}\n`
