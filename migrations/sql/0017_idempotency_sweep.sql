-- Idempotency records are forgotten after a while, but for those that are kept for ever: they are
-- marked when the sweeper meets them, and it does not meet them again.
alter table idempotency_keys add column kept boolean not null default false;
create index idempotency_keys_old on idempotency_keys (recorded_at) where not kept;
grant select, update, delete on idempotency_keys to verbatim_worker;
