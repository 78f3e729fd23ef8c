//! Queries within one organisation. The tenant is told to the session by the statement that asks,
//! for row security to see: without a transaction around it, and gone with it.

/// The query, with the tenant as its first value. It must name the tenant as `t.id`, which makes
/// the database tell the tenant first and look for rows then.
pub fn within(query: &str) -> String {
    format!("select q.* from {TOLD} cross join lateral ({query} offset 0) q")
}

/// A row that tells the tenant, which is the statement's first value, and knows it as `t.id`.
pub const TOLD: &str =
    "(select set_config('app.tenant', $1::uuid::text, true)::uuid as id offset 0) t";
