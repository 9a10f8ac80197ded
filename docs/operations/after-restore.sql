-- `mayact db exec after-restore.sql`, on a Postgres that was restored, before a server starts on it: ends what was
-- authorized but not started, browser sessions, pending logins, codes and device codes, as `mayact restore` does for SQLite.
update lineage
  set ended_at = to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ended_by = 'restore', end_reason = 'restored'
  where ended_at is null and id in (select lineage_id from impersonation where started_at is null);
update session
  set ends_at = to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  where ends_at > to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
update interaction
  set spent_at = to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  where spent_at is null;
update authorization_code
  set spent_at = to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  where spent_at is null;
update pushed_request
  set spent_at = to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  where spent_at is null;
update device_authorization
  set spent_at = to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  where spent_at is null;
