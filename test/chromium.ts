/** A real Chromium, one for the test run, a client application on loopback, and what can be measured on a page. */
import { createReadStream, createWriteStream, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress } from 'node:zlib'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { temporaryDirectory } from './databases.ts'

/** The package brings a Chromium for this platform only. */
export const hasChromium = process.platform === 'linux' && process.arch === 'x64'

const parts = join(dirname(Bun.resolveSync('@sparticuz/chromium', import.meta.dir)), '../bin')

const unpacked = (name: string) =>
  createReadStream(join(parts, name), { highWaterMark: 2 ** 22 }).pipe(
    createBrotliDecompress({ chunkSize: 2 ** 21 }),
  )

const unpackArchive = async (name: string, directory: string) => {
  await new Bun.Archive(await buffer(unpacked(name))).extract(directory)
}

const runs = async (executable: string, env: Record<string, string>) => {
  const child = Bun.spawn([executable, '--version', '--no-sandbox'], {
    env,
    stdout: 'ignore',
    stderr: 'ignore',
  })
  return (await child.exited) === 0
}

/** What the process sees of the environment; libraries and fonts that the machine lacks come from the package. */
const environmentFor = async (executable: string, directory: string): Promise<Record<string, string>> => {
  const env: Record<string, string> = { PATH: process.env.PATH ?? '', HOME: directory }
  if (!existsSync('/etc/fonts/fonts.conf')) {
    await unpackArchive('fonts.tar.br', directory)
    const paths = `<dir>${directory}/fonts</dir><cachedir>${directory}/font-cache</cachedir>`
    writeFileSync(join(directory, 'fonts.conf'), `<?xml version="1.0"?><fontconfig>${paths}</fontconfig>`)
    env.FONTCONFIG_FILE = join(directory, 'fonts.conf')
  }
  if (await runs(executable, env)) return env
  await unpackArchive('al2023.tar.br', directory)
  return { ...env, LD_LIBRARY_PATH: join(directory, 'lib') }
}

const startChromium = async (): Promise<Browser> => {
  const directory = temporaryDirectory()
  const executable = join(directory, 'chromium')
  await pipeline(unpacked('chromium.br'), createWriteStream(executable, { mode: 0o700 }))
  const env = await environmentFor(executable, directory)
  mkdirSync(join(directory, 'downloads'))
  return chromium.launch({
    executablePath: executable,
    headless: true,
    env,
    downloadsPath: join(directory, 'downloads'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--no-pings',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-domain-reliability',
      '--disable-sync',
      // whatever would call home finds nobody
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
    ],
  })
}

let started: Promise<Browser> | undefined

/** One browser for the whole run. */
const theChromium = (): Promise<Browser> => {
  started ??= startChromium()
  return started
}

/** Ends it before the folder that it runs from is removed. */
export const closeChromium = async (): Promise<void> => {
  await (await started)?.close()
  started = undefined
}

/** Somebody's browser: cookies of its own, and everything that went wrong in its pages. */
export const newVisitor = async (options: BrowserContextOptions = {}) => {
  // the certificate is the one the server made for itself
  const context = await (await theChromium()).newContext({ ignoreHTTPSErrors: true, ...options })
  context.setDefaultTimeout(5_000)
  const problems: string[] = []
  context.on('console', (message) => {
    // the browser's note that a page came with status 400, which pages of ours may
    const isStatus = /^Failed to load resource: .* status of 4\d\d/.test(message.text())
    if (message.type() === 'error' && !isStatus) problems.push(message.text())
  })
  context.on('weberror', (error) => problems.push(String(error.error())))
  return { context, problems, page: await context.newPage() }
}

export interface Received {
  readonly method: string
  readonly query: readonly (readonly [string, string])[]
  readonly body: readonly (readonly [string, string])[]
}

/** An application with one page, which is its redirect URI. */
export const clientApplication = () => {
  const received: Received[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const url = new URL(request.url)
      if (url.pathname !== '/cb') return new Response('Not found', { status: 404 })
      const body = [...new URLSearchParams(await request.text())]
      received.push({ method: request.method, query: [...url.searchParams], body })
      const html = '<!doctype html><html lang="en"><title>Client</title><h1>Client application</h1></html>'
      return new Response(html, { headers: { 'Content-Type': 'text/html; charset=utf-8' } })
    },
  })
  return { redirectUri: `http://localhost:${server.port}/cb`, received, stop: () => server.stop(true) }
}

// The functions below run in the page; as text, because the types of a page are not those of the tests.

const colours = `
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number)
    return { r, g, b, a }
  }
  const over = (top, below) => {
    const mix = (name) => top[name] * top.a + below[name] * (1 - top.a)
    return { r: mix('r'), g: mix('g'), b: mix('b'), a: 1 }
  }
  const behind = (element) => {
    if (element === null) throw new Error('the body has no background')
    const own = parse(getComputedStyle(element).backgroundColor)
    return own.a === 1 ? own : over(own, behind(element.parentElement))
  }
  const luminance = ({ r, g, b }) => {
    const part = (value) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
  }
  const ratio = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a)
    return (high + 0.05) / (low + 0.05)
  }
`

export interface Contrast {
  readonly what: string
  readonly ratio: number
}

/** The contrast (WCAG 2) of every piece of text with what is behind it, from the styles as they were computed. */
export const textContrasts = (page: Page): Promise<Contrast[]> =>
  page.evaluate<Contrast[]>(`(() => {${colours}
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const found = []
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement
      const isShown = texts.currentNode.data.trim() !== '' && element.getClientRects().length > 0
      if (!isShown || element.tagName === 'SCRIPT') continue
      const background = behind(element)
      const ink = over(parse(getComputedStyle(element).color), background)
      found.push({ what: texts.currentNode.data.trim(), ratio: ratio(ink, background) })
    }
    return found
  })()`)

/** The contrast of what shows where a field or a button is: its border or its own background. */
export const controlContrasts = (page: Page): Promise<Contrast[]> =>
  page.evaluate<Contrast[]>(`(() => {${colours}
    return [...document.querySelectorAll('input:not([type=hidden]),textarea,button')].map((element) => {
      const outside = behind(element.parentElement)
      const border = over(parse(getComputedStyle(element).borderTopColor), outside)
      return { what: element.id, ratio: Math.max(ratio(border, outside), ratio(behind(element), outside)) }
    })
  })()`)

export interface Focus {
  readonly id: string
  readonly outline: string
  readonly width: number
  readonly contrast: number
}

/** The element that has the focus, an empty id if none has, and how that shows. */
export const focused = (page: Page): Promise<Focus> =>
  page.evaluate<Focus>(`(() => {${colours}
    const element = document.activeElement
    const style = getComputedStyle(element)
    // past the last control it is the body that has the focus
    const outside = behind(element === document.body ? element : element.parentElement)
    return {
      id: element.id,
      outline: style.outlineStyle,
      width: parseFloat(style.outlineWidth),
      contrast: ratio(over(parse(style.outlineColor), outside), outside),
    }
  })()`)

export interface Structure {
  readonly lang: string
  readonly title: string
  readonly landmarks: readonly string[]
  readonly headings: readonly string[]
  readonly unlabelled: readonly string[]
  readonly repeatedIds: readonly string[]
  /** The height of the smallest button or field. */
  readonly smallest: number
  readonly overflows: boolean
  readonly moving: boolean
}

/** What a screen reader goes by, and whether the page fits its window. */
export const structure = (page: Page): Promise<Structure> =>
  page.evaluate<Structure>(`(() => {
    const all = (selector) => [...document.querySelectorAll(selector)]
    const controls = all('input:not([type=hidden]),textarea,button')
    const ids = all('[id]').map(({ id }) => id)
    const root = document.documentElement
    const seconds = ({ transitionDuration: t, animationDuration: a }) => parseFloat(t) + parseFloat(a)
    return {
      lang: root.lang,
      title: document.title,
      landmarks: all('main,header').map(({ localName }) => localName),
      headings: all('h1,h2,h3').map(({ localName }) => localName),
      unlabelled: controls
        .filter((element) => element.localName !== 'button' && element.labels.length !== 1)
        .map(({ id }) => id),
      repeatedIds: ids.filter((id, index) => ids.indexOf(id) !== index),
      smallest: Math.min(...controls.map((element) => element.getBoundingClientRect().height), 1000),
      overflows: root.scrollWidth > innerWidth,
      moving: all('*').some((element) => !(seconds(getComputedStyle(element)) === 0)),
    }
  })()`)
