-- Somebody asked that the key be tried once more; whoever feeds does so, and forgets the question.
alter table dead_letters add column asked_at timestamptz;
create index dead_letters_asked on dead_letters (model, generation) where asked_at is not null;

-- How long the last page took each read model, and how many events it had: which of them is slow.
alter table generations
    add column page_events int not null default 0,
    add column page_micros bigint not null default 0;
