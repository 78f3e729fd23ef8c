-- How far a rebuild is, for those who look at it: `position` is where its table stands and where it
-- would be taken up again, the rest is what the builder last said of itself.
alter table rebuild_progress
    add column phase text not null default 'reading',
    add column reached bigint not null default 0,
    add column until bigint not null default 0,
    add column events_per_second bigint not null default 0,
    add column told_at timestamptz not null default now();

-- Which generation the view for SQL users shows: that of the release that is fed.
alter table generations add column shown boolean not null default false;
update generations g set shown = true
 where state = 'live'
   and live_since = (select max(live_since) from generations s where s.model = g.model and s.state = 'live');
