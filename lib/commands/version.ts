import { version } from '../../package.json'

/** `mayact --version`. */
export const versionText = `mayact ${version}\n`
