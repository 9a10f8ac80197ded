// Generated from schema.sql by lib/database/generate.ts: change schema.sql, then run it.
import type { ColumnType, Generated } from 'kysely'

export interface AccountTable {
  id: string
  organization_id: string
  user_name: string
  user_name_key: string
  password_hash: string | null
  password_shipped_at: string | null
  version: number
  locked_at: string | null
  disabled_at: string | null
  opted_out_at: string | null
  email: string | null
  attributes: string
  edition: Generated<number>
  created_at: string
  modified_at: string
}

export interface AccountRoleTable {
  account_id: string
  role_id: string
}

export interface AccountValueTable {
  account_id: string
  organization_id: string
  path: string
  item: number
  value_key: string
}

export interface AccountWithoutTable {
  organization_id: string
  path: string
  account_id: string
}

export interface ApiResourceTable {
  id: string
  identifier: string
  name: string
  description: string | null
  type: string
  authorization_required_at: string | null
  edition: Generated<number>
  created_at: string
}

export interface ApplicationTable {
  id: string
  organization_id: string
  name: string
  client_id: string
  client_secret: string
  disabled_at: string | null
  revoked_at: string | null
  registration_hash: string | null
  model: string
  oidc: string
  edition: Generated<number>
  created_at: string
  modified_at: string
}

export interface ApplicationApiTable {
  application_id: string
  api_resource_id: string
  policy: string
}

export interface ApplicationScopeTable {
  application_id: string
  scope_name: string
}

export interface AuditTable {
  id: string
  at: string
  event: string
  action: string
  initiator: string
  target: string
  data: string
  outcome: string
  actor_id: string | null
  subject_id: string | null
  application_id: string | null
  organization_id: string | null
  impersonation_id: string | null
  trace_id: string
  writer: string
  line_at: string | null
  position: number | null
  link: string | null
}

export interface AuditCheckpointTable {
  position: number
  link: string
  at: string
  statement: string
}

export interface AuditKeyTable {
  kid: string
  private_key: string
  public_jwk: string
  created_at: string
}

export interface AuthorizationCodeTable {
  hash: string
  id: string
  lineage_id: string
  application_id: string
  client_id: string
  organization_id: string
  account_id: string
  session_id: string
  redirect_uri: string | null
  scopes: string
  code_challenge: string | null
  confirmation: string | null
  audience: string | null
  context: string
  issued_at: string
  expires_at: string
  spent_at: string | null
}

export interface ConsentTable {
  account_id: string
  application_id: string
  scopes: string
  given_at: string
}

export interface DeviceAuthorizationTable {
  id: string
  device_hash: string
  user_hash: string
  application_id: string
  client_id: string
  organization_id: string
  scopes: string
  confirmation: string | null
  interval_seconds: number
  polled_at: string | null
  created_at: string
  expires_at: string
  decision: string | null
  account_id: string | null
  session_id: string | null
  lineage_id: string | null
  authenticated_at: string | null
  spent_at: string | null
}

export interface EmailTemplateTable {
  id: string
  organization_id: string
  type_key: string
  application_id: string | null
  locale: string
  content_type: string
  subject: string
  body: string
  footer: string | null
  size: number
  edition: Generated<number>
  modified_at: string
}

export interface EmailTemplateTypeTable {
  id: string
  organization_id: string
  display_name: string
  name_key: string
  created_at: string
}

export interface GroupMemberTable {
  account_id: string
  group_id: string
}

export interface GroupRoleTable {
  group_id: string
  role_id: string
}

export interface IdnConfigAttributeTable {
  id: string
  resource_id: string
  attr_key: string
  attr_value: string | null
}

export interface IdnConfigFileTable {
  id: string
  value: Uint8Array | null
  name: string | null
  resource_id: string
}

export interface IdnConfigResourceTable {
  id: string
  tenant_id: number
  name: string
  created_time: ColumnType<string | Date, string, string>
  last_modified: ColumnType<string | Date, string, string>
  has_file: ColumnType<boolean | number, boolean | number, boolean | number>
  has_attribute: ColumnType<boolean | number, boolean | number, boolean | number>
  type_id: string
}

export interface IdnConfigTypeTable {
  id: string
  name: string
  description: string | null
}

export interface ImpersonationTable {
  id: string
  lineage_id: string | null
  application_id: string
  client_id: string
  organization_id: string
  impersonator_id: string
  subject_id: string
  scopes: string
  reason: string | null
  ticket: string | null
  state: Generated<string>
  authorized_at: string
  started_at: string | null
  last_used_at: string | null
  refused_at: string | null
  refusal: string | null
  ended_at: string | null
  ended_by: string | null
  end_reason: string | null
  end_comment: string | null
}

export interface ImportProgressTable {
  id: string
  line: number
  made: number
  refused: number
  updated_at: string
  finished_at: string | null
}

export interface InteractionTable {
  id: string
  hash: string
  browser_hash: string
  stage: string
  request: string
  session_id: string | null
  created_at: string
  expires_at: string
  spent_at: string | null
}

export interface LineageTable {
  id: string
  kind: string
  session_id: string | null
  account_id: string | null
  application_id: string | null
  ends_at: string
  ended_at: string | null
  ended_by: string | null
  end_reason: string | null
  end_comment: string | null
  settled_at: string | null
}

export interface LoginFailureTable {
  id: string
  account_key: string
  address: string
  failed_at: string
}

export interface LogoutNoticeTable {
  id: string
  client_id: string
  url: string
  subject: string
  session_id: string
  created_at: string
  attempts: number
  next_attempt_at: string | null
  sent_at: string | null
  gave_up_at: string | null
  last_error: string | null
  sender: string
}

export interface MetaTable {
  name: string
  value: string
}

export interface OidcScopeTable {
  name: string
  display_name: string
  description: string | null
  edition: Generated<number>
  claims: string
}

export interface OrganizationTable {
  id: string
  name: string
  parent_id: string | null
  created_at: string
}

export interface OutboxTable {
  id: string
  message_id: string
  recipient: string
  template: string
  data: string
  impersonation_id: string | null
  created_at: string
  attempts: number
  next_attempt_at: string | null
  sent_at: string | null
  gave_up_at: string | null
  last_error: string | null
  sender: string
  retried_at: string | null
}

export interface PopulationTable {
  kind: string
  organization_id: string
  block: string
  n: number
}

export interface PushedRequestTable {
  hash: string
  client_id: string
  parameters: string
  confirmation: string | null
  created_at: string
  expires_at: string
  spent_at: string | null
}

export interface RevisionTable {
  id: number
  n: number
}

export interface RoleTable {
  id: string
  organization_id: string
  name: string
  audience_type: string
  audience_id: string
  edition: Generated<number>
  created_at: string
  modified_at: string
}

export interface RolePermissionTable {
  role_id: string
  scope_name: string
}

export interface ScopeTable {
  name: string
  id: string
  api_resource_id: string
  display_name: string
  description: string | null
}

export interface SessionTable {
  id: string
  hash: string
  browser_hash: string
  account_id: string
  user_agent: string | null
  address: string | null
  authenticated_at: string
  seen_at: string
  ends_at: string
}

export interface SessionApplicationTable {
  session_id: string
  application_id: string
  client_id: string
  since: string
}

export interface SigningKeyTable {
  kid: string
  algorithm: string
  private_key: string
  public_jwk: string
  certificate: string
  created_at: string
  active_from: string
  retired_at: string | null
  published_until: string | null
}

export interface TokenTable {
  hash: string
  id: string
  class: string
  lineage_id: string
  application_id: string
  client_id: string
  organization_id: string
  subject_id: string
  actor_id: string | null
  impersonation_id: string | null
  session_id: string | null
  scopes: string
  code_challenge: string | null
  act: string | null
  audience: string | null
  confirmation: string | null
  context: string | null
  issued_at: string
  expires_at: string
  spent_at: string | null
  follows: string | null
}

export interface UsedValueTable {
  hash: string
  expires_at: string
}

export interface UserGroupTable {
  id: string
  organization_id: string
  name: string
  name_key: string
  external_id: string | null
  edition: Generated<number>
  created_at: string
  modified_at: string
}

export interface WebhookTable {
  id: string
  organization_id: string
  kind: string
  name: string
  url: string
  events: string
  disabled_at: string | null
  audience: string | null
  secret: string | null
  former_secret: string | null
  former_until: string | null
  bearer_token: string | null
  edition: Generated<number>
  created_at: string
  modified_at: string
}

export interface WebhookDeliveryTable {
  id: string
  webhook_id: string
  event: string
  body: string
  impersonation_id: string | null
  created_at: string
  attempts: number
  next_attempt_at: string | null
  sent_at: string | null
  gave_up_at: string | null
  last_error: string | null
  sender: string
}

export interface Database {
  account: AccountTable
  account_role: AccountRoleTable
  account_value: AccountValueTable
  account_without: AccountWithoutTable
  api_resource: ApiResourceTable
  application: ApplicationTable
  application_api: ApplicationApiTable
  application_scope: ApplicationScopeTable
  audit: AuditTable
  audit_checkpoint: AuditCheckpointTable
  audit_key: AuditKeyTable
  authorization_code: AuthorizationCodeTable
  consent: ConsentTable
  device_authorization: DeviceAuthorizationTable
  email_template: EmailTemplateTable
  email_template_type: EmailTemplateTypeTable
  group_member: GroupMemberTable
  group_role: GroupRoleTable
  idn_config_attribute: IdnConfigAttributeTable
  idn_config_file: IdnConfigFileTable
  idn_config_resource: IdnConfigResourceTable
  idn_config_type: IdnConfigTypeTable
  impersonation: ImpersonationTable
  import_progress: ImportProgressTable
  interaction: InteractionTable
  lineage: LineageTable
  login_failure: LoginFailureTable
  logout_notice: LogoutNoticeTable
  meta: MetaTable
  oidc_scope: OidcScopeTable
  organization: OrganizationTable
  outbox: OutboxTable
  population: PopulationTable
  pushed_request: PushedRequestTable
  revision: RevisionTable
  role: RoleTable
  role_permission: RolePermissionTable
  scope: ScopeTable
  session: SessionTable
  session_application: SessionApplicationTable
  signing_key: SigningKeyTable
  token: TokenTable
  used_value: UsedValueTable
  user_group: UserGroupTable
  webhook: WebhookTable
  webhook_delivery: WebhookDeliveryTable
}
