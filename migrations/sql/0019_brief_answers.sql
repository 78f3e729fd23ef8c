-- What is kept for repeats under the nil tenant is of no organisation, or holds what opens
-- something: it is forgotten after a day, and found apart from what stays for longer.
create index idempotency_keys_brief on idempotency_keys (recorded_at)
  where tenant_id = '00000000-0000-0000-0000-000000000000';
