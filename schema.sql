-- The truth about mayact's tables, valid in SQLite and in Postgres. lib/database/schema.ts is generated from it.
-- Instants are ISO-8601 text in UTC, JSON is text, a nullable instant says whether and when, keys of growing tables are UUIDv7.

create table meta (
  name text primary key not null,
  value text not null
);

-- One row; n grows with every commit that changes an administrative fact (application, API resource, permission of a role, setting).
create table revision (
  id integer primary key not null,
  n integer not null
);

create table organization (
  id text primary key not null,
  name text not null,
  parent_id text references organization (id),
  created_at text not null
);

create table account (
  id text primary key not null,
  organization_id text not null references organization (id),
  user_name text not null,
  user_name_key text not null,
  password_hash text,
  password_shipped_at text,
  -- grows with every change of status, roles and credentials; decisions are guarded by it
  version integer not null,
  locked_at text,
  disabled_at text,
  -- since when nobody may act for this user, because he said so
  opted_out_at text,
  email text,
  -- the other SCIM attributes, as they were written
  attributes text not null,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  created_at text not null,
  modified_at text not null,
  unique (organization_id, user_name_key)
);

create index account_email on account (lower(email));
-- lists are in the order of the last two letters of the id, which are random: see population
create index account_block on account (organization_id, substr(id, 35), id);
create index account_created on account (organization_id, created_at, id);
create index account_modified on account (organization_id, modified_at, id);
create index account_locked on account (organization_id, id) where locked_at is not null;
create index account_disabled on account (organization_id, id) where disabled_at is not null;

-- What users are found by: one row for each value of their attributes, as it is compared.
create table account_value (
  account_id text not null references account (id) on delete cascade,
  organization_id text not null,
  -- in small letters: 'name.familyname', 'emails.type', 'urn:…:user:department'
  path text not null,
  -- which of several values; 0 where there is but one
  item integer not null,
  value_key text not null,
  primary key (account_id, path, item)
);

create index account_value_found on account_value (organization_id, path, value_key, account_id);

-- Who lacks what nearly everybody has and lists are sorted by: they come before all others, or behind them.
create table account_without (
  organization_id text not null,
  -- as in account_value
  path text not null,
  account_id text not null references account (id) on delete cascade,
  primary key (organization_id, path, account_id)
);

create index account_without_account on account_without (account_id);

-- How many users, groups and roles there are, by the last two letters of their ids: a list finds its place by it.
create table population (
  -- 'account', 'user_group' or 'role'
  kind text not null,
  organization_id text not null,
  block text not null,
  n integer not null,
  primary key (kind, organization_id, block)
);

create table application (
  id text primary key not null,
  organization_id text not null references organization (id),
  name text not null,
  client_id text not null unique,
  -- sealed with the encryption key, the application's id as associated data
  client_secret text not null,
  disabled_at text,
  revoked_at text,
  -- a client that registered itself (RFC 7591): the SHA-256 of its registration access token
  registration_hash text,
  -- the management API's ApplicationModel and its OpenIDConnectConfiguration, kept and echoed whole
  model text not null,
  oidc text not null,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  created_at text not null,
  modified_at text not null,
  unique (organization_id, name)
);

-- a page of the list, whose rows are long, is found without reading them
create index application_page on application (organization_id, id, name);

create table api_resource (
  id text primary key not null,
  identifier text not null unique,
  name text not null,
  description text,
  type text not null,
  authorization_required_at text,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  created_at text not null
);

create table scope (
  name text primary key not null,
  id text not null unique,
  api_resource_id text not null references api_resource (id) on delete cascade,
  display_name text not null,
  description text
);

create index scope_api_resource on scope (api_resource_id);

create table application_api (
  application_id text not null references application (id) on delete cascade,
  api_resource_id text not null references api_resource (id) on delete cascade,
  policy text not null,
  primary key (application_id, api_resource_id)
);

create table application_scope (
  application_id text not null references application (id) on delete cascade,
  scope_name text not null references scope (name) on delete cascade,
  primary key (application_id, scope_name)
);

create table role (
  id text primary key not null,
  organization_id text not null references organization (id),
  name text not null,
  -- 'application' or 'organization', and whose
  audience_type text not null,
  audience_id text not null,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  created_at text not null,
  modified_at text not null
);

-- case does not tell roles apart
create unique index role_name on role (audience_type, audience_id, lower(name));
create index role_found on role (organization_id, lower(name), id);

create table role_permission (
  role_id text not null references role (id) on delete cascade,
  scope_name text not null references scope (name) on delete cascade,
  primary key (role_id, scope_name)
);

create table account_role (
  account_id text not null references account (id) on delete cascade,
  role_id text not null references role (id) on delete cascade,
  primary key (account_id, role_id)
);

create index account_role_role on account_role (role_id);
create index role_block on role (organization_id, substr(id, 35), id);

create table user_group (
  id text primary key not null,
  organization_id text not null references organization (id),
  name text not null,
  name_key text not null,
  -- by which the client that provisions it knows it
  external_id text,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  created_at text not null,
  modified_at text not null,
  unique (organization_id, name_key)
);

create index user_group_external on user_group (organization_id, external_id) where external_id is not null;
create index user_group_block on user_group (organization_id, substr(id, 35), id);

create table group_member (
  account_id text not null references account (id) on delete cascade,
  group_id text not null references user_group (id) on delete cascade,
  primary key (account_id, group_id)
);

create index group_member_group on group_member (group_id, account_id);

-- The roles that the members of a group have.
create table group_role (
  group_id text not null references user_group (id) on delete cascade,
  role_id text not null references role (id) on delete cascade,
  primary key (group_id, role_id)
);

create index group_role_role on group_role (role_id);

-- What every token, session and impersonation hangs on: ending the row ends all of them.
create table lineage (
  id text primary key not null,
  kind text not null,
  -- the lineage of the browser session it began in, which ends it too
  session_id text,
  -- whose it is, even when his account is gone: who signed in, gave the grant, impersonates; null for a client's own
  account_id text,
  -- the application that it was given to; null for a session
  application_id text,
  ends_at text not null,
  ended_at text,
  ended_by text,
  -- why, as a word, and what whoever ended it said
  end_reason text,
  end_comment text,
  -- of an impersonation: when its end was written into its row and into the audit trail
  settled_at text
);

-- impersonations are found by the indexes of their own table
create index lineage_session on lineage (session_id) where kind <> 'impersonation' and session_id is not null;
-- only what lives: nobody ends or lists what was ended
create index lineage_account on lineage (account_id, application_id)
  where kind <> 'impersonation' and account_id is not null and ended_at is null;
create index lineage_application on lineage (application_id)
  where kind <> 'impersonation' and application_id is not null and ended_at is null;
-- what is old; an impersonation is not before its end is recorded
create index lineage_ends on lineage (kind, ends_at) where kind <> 'impersonation' or settled_at is not null;
-- impersonations that are over or live, by when they end; and those that were ended, until that is recorded
create index lineage_unsettled on lineage (ends_at) where kind = 'impersonation' and settled_at is null;
create index lineage_ended on lineage (id) where kind = 'impersonation' and settled_at is null and ended_at is not null;

-- A browser session, its id being that of its lineage; the cookie's value is stored as its SHA-256 only.
create table session (
  id text primary key not null references lineage (id),
  hash text not null unique,
  -- the browser's interaction cookie: what somebody else's login in the same browser ends
  browser_hash text not null,
  account_id text not null references account (id) on delete cascade,
  -- of the login, cut short
  user_agent text,
  address text,
  authenticated_at text not null,
  seen_at text not null,
  ends_at text not null
);

create index session_account on session (account_id, authenticated_at, id);
create index session_authenticated on session (authenticated_at, id);
create index session_browser on session (browser_hash);
create index session_ends on session (ends_at);

-- An authorization request paused for login or consent; keys and the browser's cookie are stored as SHA-256.
create table interaction (
  id text primary key not null,
  hash text not null unique,
  browser_hash text not null,
  stage text not null,
  request text not null,
  session_id text,
  created_at text not null,
  expires_at text not null,
  spent_at text
);

create index interaction_expires on interaction (expires_at);

create table impersonation (
  -- a UUIDv7 of when it was asked for: lists are in its order
  id text primary key not null,
  -- null when it was refused
  lineage_id text references lineage (id),
  application_id text not null,
  client_id text not null,
  organization_id text not null,
  impersonator_id text not null,
  subject_id text not null,
  scopes text not null,
  -- what the impersonator said that it is for, and where that is written
  reason text,
  ticket text,
  -- 'open' while its end is not recorded, then 'ended' or 'expired'; 'refused'
  state text not null default 'open',
  -- or asked for
  authorized_at text not null,
  -- set once, by the exchange of its subject token
  started_at text,
  last_used_at text,
  refused_at text,
  -- the validator that refused, and its code
  refusal text,
  -- of its recorded end
  ended_at text,
  ended_by text,
  end_reason text,
  end_comment text
);

create index impersonation_lineage on impersonation (lineage_id);
create index impersonation_organization on impersonation (organization_id, state, id);
create index impersonation_impersonator on impersonation (impersonator_id, state, id);
create index impersonation_subject on impersonation (subject_id, state, id);
create index impersonation_application on impersonation (application_id, state, id);
create index impersonation_refused on impersonation (refused_at) where refused_at is not null;

-- Every token issued, known by its SHA-256 alone: what has no row here was not issued here.
create table token (
  hash text primary key not null,
  id text not null,
  class text not null,
  lineage_id text not null references lineage (id),
  application_id text not null,
  client_id text not null,
  organization_id text not null,
  subject_id text not null,
  actor_id text,
  impersonation_id text,
  session_id text,
  scopes text not null,
  code_challenge text,
  -- the act claim (RFC 8693 §4.1) as JSON, the current actor outermost
  act text,
  -- the resources it is for (RFC 8707), separated by spaces; null when it is for its client
  audience text,
  -- the cnf claim (RFC 7800) as JSON: the key that whoever presents it must prove
  confirmation text,
  -- what later tokens and userinfo need of the sign-in and of its request, as JSON
  context text,
  issued_at text not null,
  expires_at text not null,
  -- refresh tokens only: when it was rotated
  spent_at text,
  -- the refresh token that it replaced; of an access token got by exchange, the one it comes from
  follows text
);

create index token_expires on token (expires_at);
create index token_lineage on token (lineage_id);
-- what an application got by exchange hangs on the lineages of others
create index token_exchanged on token (application_id, subject_id) where class = 'access' and follows is not null;

-- Authorization codes; the grant's lineage begins with the code, so a replay can end what it gave.
create table authorization_code (
  hash text primary key not null,
  id text not null,
  lineage_id text not null references lineage (id),
  application_id text not null,
  client_id text not null,
  organization_id text not null,
  account_id text not null,
  session_id text not null,
  -- as the request had it: the token request repeats it
  redirect_uri text,
  scopes text not null,
  code_challenge text,
  -- dpop_jkt (RFC 9449 §10)
  confirmation text,
  audience text,
  context text not null,
  issued_at text not null,
  expires_at text not null,
  spent_at text
);

create index authorization_code_expires on authorization_code (expires_at);

-- Pushed authorization requests (RFC 9126), known by the SHA-256 of their request_uri.
create table pushed_request (
  hash text primary key not null,
  client_id text not null,
  parameters text not null,
  confirmation text,
  created_at text not null,
  expires_at text not null,
  spent_at text
);

create index pushed_request_expires on pushed_request (expires_at);

-- Device authorizations (RFC 8628); both codes are stored as SHA-256.
create table device_authorization (
  id text primary key not null,
  device_hash text not null unique,
  user_hash text not null unique,
  application_id text not null,
  client_id text not null,
  organization_id text not null,
  scopes text not null,
  confirmation text,
  -- seconds between two polls; slow_down makes it longer
  interval_seconds integer not null,
  polled_at text,
  created_at text not null,
  expires_at text not null,
  -- 'approved' or 'denied', by whom and in which session
  decision text,
  account_id text,
  session_id text,
  -- the grant that the approval began
  lineage_id text,
  authenticated_at text,
  spent_at text
);

create index device_authorization_expires on device_authorization (expires_at);

-- Values that may be seen once: the jti of DPoP proofs and client assertions, as the SHA-256 of kind, issuer and value.
create table used_value (
  hash text primary key not null,
  expires_at text not null
);

create index used_value_expires on used_value (expires_at);

-- Which applications a browser session signed in to: they hear of its logout.
create table session_application (
  session_id text not null references lineage (id) on delete cascade,
  application_id text not null,
  client_id text not null,
  since text not null,
  primary key (session_id, application_id)
);

-- Logout tokens that have to reach their applications (OpenID Connect Back-Channel Logout); sent like mail.
create table logout_notice (
  id text primary key not null,
  client_id text not null,
  url text not null,
  subject text not null,
  session_id text not null,
  created_at text not null,
  attempts integer not null,
  next_attempt_at text,
  sent_at text,
  gave_up_at text,
  last_error text,
  sender text not null
);

create index logout_notice_due on logout_notice (next_attempt_at) where next_attempt_at is not null;

-- What a user let an application have for good (approveAlways).
create table consent (
  account_id text not null references account (id) on delete cascade,
  application_id text not null references application (id) on delete cascade,
  scopes text not null,
  given_at text not null,
  primary key (account_id, application_id)
);

-- The scopes of OpenID Connect and the claims they give, as names separated by spaces.
create table oidc_scope (
  name text primary key not null,
  display_name text not null,
  description text,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  claims text not null
);

create table login_failure (
  id text primary key not null,
  account_key text not null,
  address text not null,
  failed_at text not null
);

create index login_failure_account on login_failure (account_key, failed_at);
create index login_failure_address on login_failure (address, failed_at);
create index login_failure_failed on login_failure (failed_at);

create table signing_key (
  kid text primary key not null,
  algorithm text not null,
  -- PKCS #8, sealed with the encryption key, the kid as associated data
  private_key text not null,
  public_jwk text not null,
  certificate text not null,
  created_at text not null,
  -- from when on it signs: it is published before, so that whoever verifies knows it by then
  active_from text not null,
  -- from when on it signs no longer
  retired_at text,
  -- when its last token has ended; known some time after it was retired
  published_until text
);

-- One row for each event, written in the commit of what it records; line_at says when its line reached audit.log.
create table audit (
  id text primary key not null,
  at text not null,
  event text not null,
  action text not null,
  initiator text not null,
  target text not null,
  data text not null,
  outcome text not null,
  actor_id text,
  subject_id text,
  application_id text,
  organization_id text,
  impersonation_id text,
  trace_id text not null,
  -- the process that writes its line
  writer text not null,
  line_at text,
  -- its place in the chain of sealed rows, and the SHA-256 over the link before it and the row; null until it is sealed
  position integer,
  link text
);

create index audit_line on audit (id) where line_at is null;
create index audit_unsealed on audit (id) where position is null;
create unique index audit_position on audit (position) where position is not null;
-- A search goes by the rarest of its conditions, the newest first. Only sealed rows are in these: the sealer pays for them,
-- many rows at once, and no request. Whoever is in two columns of a row stands in one index for both.
create index audit_at on audit (at) where position is not null;
create index audit_event on audit (event, at) where position is not null;
create index audit_initiator on audit (initiator, at) where position is not null;
create index audit_target on audit (target, at) where position is not null and target <> initiator;
create index audit_actor on audit (actor_id, at) where position is not null and actor_id <> initiator;
create index audit_subject on audit (subject_id, at) where position is not null and subject_id <> initiator and subject_id <> target;
create index audit_application on audit (application_id, at) where position is not null and application_id is not null;
create index audit_impersonation on audit (impersonation_id, at) where position is not null and impersonation_id is not null;
create index audit_trace on audit (trace_id, at) where position is not null;

-- Signed statements that the chain had this link at this position.
create table audit_checkpoint (
  position integer primary key not null,
  link text not null,
  at text not null,
  -- a JWS
  statement text not null
);

-- What checkpoints are signed with; never removed, since exports are verified with it.
create table audit_key (
  kid text primary key not null,
  -- PKCS #8, sealed with the encryption key, the kid as associated data
  private_key text not null,
  public_jwk text not null,
  created_at text not null
);

-- Mail that has to leave: written in the commit of what it tells of, sent at least once, with one Message-ID for ever.
create table outbox (
  id text primary key not null,
  message_id text not null,
  recipient text not null,
  template text not null,
  -- what the template is filled with
  data text not null,
  impersonation_id text,
  created_at text not null,
  attempts integer not null,
  -- null when it needs no further attempt
  next_attempt_at text,
  sent_at text,
  gave_up_at text,
  last_error text,
  -- the process that sends it
  sender text not null,
  -- when somebody had it tried again: the patience with it begins anew
  retried_at text
);

create index outbox_due on outbox (next_attempt_at) where next_attempt_at is not null;
create index outbox_gave_up on outbox (gave_up_at) where gave_up_at is not null;
create index outbox_sent on outbox (sent_at) where sent_at is not null;
-- what waits and what was given up, by age, beside a month of what was sent
create index outbox_queued on outbox (id) where next_attempt_at is not null;
create index outbox_failed on outbox (id) where gave_up_at is not null;

-- Types of e-mail templates that an organization made beside the built-in ones.
create table email_template_type (
  id text primary key not null,
  organization_id text not null references organization (id),
  display_name text not null,
  -- small letters without spaces: what tells types apart
  name_key text not null,
  created_at text not null,
  unique (organization_id, name_key)
);

-- An organization's own e-mail templates, and its applications'; what is built in has a row only when it is replaced.
create table email_template (
  id text primary key not null,
  organization_id text not null references organization (id),
  type_key text not null,
  -- null for the organization's
  application_id text references application (id) on delete cascade,
  locale text not null,
  content_type text not null,
  subject text not null,
  body text not null,
  footer text,
  -- in bytes, of all its texts
  size integer not null,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  modified_at text not null
);

create unique index email_template_of_organization on email_template (organization_id, type_key, locale) where application_id is null;
create unique index email_template_of_application on email_template (application_id, type_key, locale) where application_id is not null;

-- Who is told of impersonations: 'webhook' by signed messages, 'caep' by security event tokens (RFC 8417).
create table webhook (
  -- a UUIDv7: lists are in its order
  id text primary key not null,
  organization_id text not null references organization (id),
  kind text not null,
  name text not null,
  url text not null,
  -- the types of events that it wants, separated by spaces
  events text not null,
  disabled_at text,
  -- the aud of its security event tokens
  audience text,
  -- what its messages are signed with, sealed, the webhook's id as associated data; the former one signs beside it
  secret text,
  former_secret text,
  former_until text,
  -- sent along as Bearer, sealed likewise
  bearer_token text,
  -- grows with every change: the ETag, and what a change is guarded by
  edition integer not null default 1,
  created_at text not null,
  modified_at text not null
);

-- Messages that have to reach them: written in the commit in which the audit trail was followed, sent like mail.
create table webhook_delivery (
  -- a UUIDv7, its webhook-id or jti for ever
  id text primary key not null,
  webhook_id text not null references webhook (id) on delete cascade,
  -- the type of its event
  event text not null,
  -- the message, or the claims of the token, as JSON
  body text not null,
  impersonation_id text,
  created_at text not null,
  attempts integer not null,
  next_attempt_at text,
  sent_at text,
  gave_up_at text,
  last_error text,
  sender text not null
);

create index webhook_delivery_webhook on webhook_delivery (webhook_id, id);
create index webhook_delivery_due on webhook_delivery (next_attempt_at) where next_attempt_at is not null;
create index webhook_delivery_gave_up on webhook_delivery (gave_up_at) where gave_up_at is not null;
create index webhook_delivery_sent on webhook_delivery (sent_at) where sent_at is not null;

-- How far a file of users was read in: who imports it again goes on behind that line.
create table import_progress (
  -- the SHA-256 of the file
  id text primary key not null,
  -- the last line that is done with
  line integer not null,
  made integer not null,
  refused integer not null,
  updated_at text not null,
  finished_at text
);

-- The configuration store keeps WSO2's names, columns and constraints, since scripts write to it.
create table idn_config_type (
  id varchar(255) not null,
  name varchar(255) not null,
  description varchar(1023),
  primary key (id),
  constraint type_name_constraint unique (name)
);

create table idn_config_resource (
  id varchar(255) not null,
  tenant_id int not null,
  name varchar(255) not null,
  created_time timestamp not null,
  last_modified timestamp not null,
  has_file boolean not null,
  has_attribute boolean not null,
  type_id varchar(255) not null,
  primary key (id),
  constraint name_tenant_type_constraint unique (name, tenant_id, type_id),
  constraint type_id_foreign_constraint foreign key (type_id) references idn_config_type (id) on delete cascade on update cascade
);

create table idn_config_attribute (
  id varchar(255) not null,
  resource_id varchar(255) not null,
  attr_key varchar(1023) not null,
  attr_value varchar(1023),
  primary key (id),
  constraint resource_key_val_constraint unique (resource_id, attr_key, attr_value),
  constraint resource_id_attribute_foreign_constraint foreign key (resource_id) references idn_config_resource (id) on delete cascade on update cascade
);

create table idn_config_file (
  id varchar(255) not null,
  value bytea,
  name varchar(255),
  resource_id varchar(255) not null,
  primary key (id),
  constraint resource_id_file_foreign_constraint foreign key (resource_id) references idn_config_resource (id) on delete cascade on update cascade
);
