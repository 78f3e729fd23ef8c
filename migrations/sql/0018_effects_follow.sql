-- What an effect follows from: the event that asked for it last, and the request that caused that.
-- What is told of the effect belongs to the same request. Null for those that were asked for before.
alter table effects add column cause uuid, add column correlation_id uuid;
