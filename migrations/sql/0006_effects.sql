-- What leaves the building: each row is one call to a provider that an event asked for. An
-- attempt is committed before the call is made; one that expires without an outcome is `unknown`,
-- never tried again blindly, unless the provider recognises repeats.
create table effects (
    id          uuid primary key,
    tenant_id   uuid not null,
    kind        text not null,
    -- The aggregate that the outcome is told to, and the event that asked.
    aggregate   uuid not null,
    position    bigint not null,
    -- Effects of one order key happen one after the other, in the order of their positions.
    order_key   uuid not null,
    -- Whose limits it counts against.
    line        uuid not null,
    idempotent  boolean not null,
    state       text not null default 'pending'
                check (state in ('pending', 'attempting', 'unknown', 'done', 'dead')),
    attempts    int not null default 0,
    due_at      timestamptz not null default clock_timestamp(),
    lease       uuid,
    lease_until timestamptz,
    reason      text,
    created_at  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz not null default clock_timestamp()
);
create index effects_due on effects (due_at) where state = 'pending';
create index effects_leased on effects (lease_until) where state = 'attempting';
create index effects_unknown on effects (due_at) where state = 'unknown';
create index effects_order on effects (order_key, position)
  where state in ('pending', 'attempting', 'unknown');
create index effects_tenant on effects (tenant_id, state, updated_at);

grant select, insert, update on effects to verbatim_app;
