/**
 * Notification senders at /api/server/v1 and v2/notification-senders. This server sends e-mail, as deployment.toml says,
 * and neither text nor push messages: senders of those are kept for what reads the configuration store.
 */
import { type Context, Hono } from 'hono'
import type { Db } from '../../database/connect.ts'
import { findConfigurationType } from '../../directory/config-store.ts'
import {
  type ConfigurationResource,
  createConfigurationResource,
  deleteConfigurationResource,
  findConfigurationResource,
  readResources,
  replaceConfigurationResource,
} from '../../directory/config-store-resources.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { type AskedSender, type Channel, channels, creation, edition } from './model.ts'
import * as operations from './operations.ts'
import { senderProblem } from './problem.ts'
import { attributesOf, isOf, publisherType, shownSender, storedValue } from './stored.ts'

export type Version = 'v1' | 'v2'

const view = 'internal_notification_senders_view'
const create = 'internal_notification_senders_create'
const update = 'internal_notification_senders_update'
const remove = 'internal_notification_senders_delete'

const requireComplete = (channel: Channel, { provider, contentType, providerURL }: AskedSender) => {
  if (channel !== 'sms') return
  if (!provider?.trim()) throw senderProblem('60003')
  if (!contentType) throw senderProblem('60004')
  if (!providerURL?.trim()) throw senderProblem('60005')
}

const tagOf = (channel: Channel, resource: ConfigurationResource) =>
  contentTag({ sender: shownSender(channel, resource), at: resource.modifiedAt })

const findPublisher = (db: Db) => findConfigurationType(db, publisherType)

const ofChannel = (needs: ApiNeeds, version: Version, channel: Channel) => {
  const { db, vault, baseUrl } = needs
  const guarded = gate(needs)
  const base = `${baseUrl}/api/server/${version}/notification-senders/${channel}`
  const describe = operations.operationsOf(version, channel)

  /** Throws `Problem`. */
  const requireSender = async (c: Context) => {
    const name = parameter(c, 'name')
    const type = await findPublisher(db)
    const resource = type && (await findConfigurationResource(db, type.id, name))
    if (!type || !resource || !isOf(resource, channel)) throw senderProblem('60006', name)
    return { type, resource }
  }

  return new Hono()
    .get(
      '/',
      guarded(
        view,
        async (_, c) => {
          const type = await findPublisher(db)
          const all = type ? await readResources(db, (eb) => eb.and([eb('type_id', '=', type.id)])) : []
          return c.json(all.filter((one) => isOf(one, channel)).map((one) => shownSender(channel, one)))
        },
        describe.list,
      ),
    )
    .post(
      '/',
      guarded(
        create,
        async (caller, c) => {
          const asked: AskedSender = await readBody(c, creation[channel])
          requireComplete(channel, asked)
          const name = asked.name ?? channels[channel]
          const type = await findPublisher(db)
          if (!type) throw senderProblem('65001')
          const attributes = attributesOf(vault, channel, name, asked, undefined)
          const made = await createConfigurationResource(db, caller, new Date(), type, { name, attributes })
          if ('refused' in made) throw senderProblem('60002', name)
          c.header('Location', `${base}/${encodeURIComponent(name)}`)
          c.header('ETag', tagOf(channel, made))
          return c.json(shownSender(channel, made), 201)
        },
        describe.create,
      ),
    )
    .get(
      '/:name',
      guarded(
        view,
        async (_, c) => {
          const { resource } = await requireSender(c)
          return answerTagged(c, tagOf(channel, resource), shownSender(channel, resource))
        },
        describe.read,
      ),
    )
    .put(
      '/:name',
      guarded(
        update,
        async (caller, c) => {
          const asked: AskedSender = await readBody(c, edition[channel])
          requireComplete(channel, asked)
          const { type, resource } = await requireSender(c)
          requireCurrent(c, tagOf(channel, resource))
          const { name } = resource
          const channelType = asked.properties?.find(({ key }) => key === 'channel.type')?.value
          const former = storedValue(resource, 'channel.type')
          if (channelType && former !== undefined && channelType !== former)
            throw senderProblem('60007', name)
          const attributes = attributesOf(vault, channel, name, asked, resource)
          const stored = await replaceConfigurationResource(
            db,
            caller,
            new Date(),
            type,
            resource,
            attributes,
          )
          c.header('ETag', tagOf(channel, stored))
          return c.json(shownSender(channel, stored))
        },
        describe.update,
      ),
    )
    .delete(
      '/:name',
      guarded(
        remove,
        async (caller, c) => {
          const { type, resource } = await requireSender(c)
          requireCurrent(c, tagOf(channel, resource))
          await deleteConfigurationResource(db, caller, new Date(), type, resource)
          return c.body(null, 204)
        },
        describe.remove,
      ),
    )
}

/** deployment.toml says how e-mail leaves: there is nothing here that any method could be allowed to do. */
const email = (needs: ApiNeeds) => {
  const guarded = gate(needs)
  const refused = (permission: string) =>
    guarded(permission, async (_, c: Context) => {
      // RFC 9110 §10.2.1: empty where the resource allows no method
      c.header('Allow', '')
      return c.body(null, 405)
    })
  return new Hono()
    .get('/', refused(view))
    .post('/', refused(create))
    .get('/:name', refused(view))
    .put('/:name', refused(update))
    .delete('/:name', refused(remove))
}

export const notificationSenders = (needs: ApiNeeds, version: Version) =>
  new Hono()
    .route('/email', email(needs))
    .route('/sms', ofChannel(needs, version, 'sms'))
    .route('/push', ofChannel(needs, version, 'push'))
