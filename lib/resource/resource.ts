/**
 * `mayact/resource`: for the servers that take mayact's tokens. They tell whether the user himself is there or somebody
 * who acts for him, and what may not be done then. Documented in docs/resource-servers.md.
 */
export type { Access, Impersonation, Incoming, ResourceRules, Use } from './access.ts'
export { type Resource, resource } from './middleware.ts'
export { type Policy, readOnlyWhileImpersonated, requireNoImpersonation, requireScope } from './policy.ts'
export { Refused } from './refused.ts'
export type { Introspection, TokenClaims, TokenRules } from './token.ts'
