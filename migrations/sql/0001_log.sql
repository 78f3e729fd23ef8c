-- The log. The first seven columns are those of postgres-es, in its types, so that it reads them
-- in place. Position is dense and in commit order; recorded_at is monotone in position.
create table events (
    aggregate_type text collate "C" not null,
    aggregate_id   text collate "C" not null,
    sequence       bigint not null check (sequence >= 1),
    event_type     text not null,
    event_version  text not null,
    payload        json not null,
    metadata       json not null,
    position       bigint primary key,
    tenant_id      uuid not null,
    event_id       uuid not null,
    actor          text not null,
    command_id     uuid,
    correlation_id uuid not null,
    causation_id   uuid,
    recorded_at    timestamptz not null,
    unique (aggregate_type, aggregate_id, sequence)
);
create index events_tenant on events (tenant_id, position);

-- Raised when a backup is restored: positions of one epoch say nothing about another's.
create table epochs (
    epoch int primary key,
    since timestamptz not null default now()
);
insert into epochs (epoch) values (1);

create table idempotency_keys (
    tenant_id   uuid not null,
    key         bytea not null,
    fingerprint bytea not null,
    position    bigint not null,
    status      int not null,
    response    bytea,
    recorded_at timestamptz not null,
    primary key (tenant_id, key)
);

-- What is unique in an organisation, by keyed hash.
create table claims (
    tenant_id    uuid not null,
    scope        text collate "C" not null,
    value        bytea not null,
    aggregate_id text collate "C" not null,
    primary key (tenant_id, scope, value)
);

-- Each destruction of a person's key, so that writers with a cached key notice.
create table erasures (
    no        bigint primary key,
    tenant_id uuid not null,
    subject   uuid not null
);

-- Keys of personal data, wrapped by the master key; null once destroyed.
create table personal_keys (
    tenant_id  uuid not null,
    subject    uuid not null,
    class      smallint not null,
    wrapped    bytea,
    primary key (tenant_id, subject, class)
);

create table secrets (
    id         uuid primary key,
    tenant_id  uuid not null,
    kind       text not null,
    ciphertext bytea not null,
    created_at timestamptz not null default now()
);

create table subscriptions (
    name       text primary key,
    position   bigint not null,
    updated_at timestamptz not null default now()
);
