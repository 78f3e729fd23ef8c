-- The generations of each read model. A program feeds and reads only the one that was built for
-- its own version and shape; the one in state `live` answers.
create table generations (
    model      text not null,
    generation int not null,
    version    int not null,
    shape      text not null,
    position   bigint not null default 0,
    state      text not null check (state in ('building', 'live', 'old')),
    -- Who feeds it. A projector that lost its lease can't move the checkpoint.
    lease      uuid,
    created_at timestamptz not null default now(),
    live_since timestamptz,
    primary key (model, generation)
);
create unique index generations_live on generations (model, version, shape) where state = 'live';

-- Events that a read model could not take in, and those that wait behind them.
create table dead_letters (
    model       text not null,
    generation  int not null,
    key         text not null,
    position    bigint not null,
    reason      text not null,
    recorded_at timestamptz not null default now(),
    primary key (model, generation, key, position)
);

create schema read_data;
create schema read;

-- How far each rebuild is. Unlogged like the tables it speaks of, so that a crash of the database
-- empties both.
create unlogged table rebuild_progress (
    model      text not null,
    generation int not null,
    position   bigint not null,
    primary key (model, generation)
);
