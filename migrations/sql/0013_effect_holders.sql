-- Whose claim an effect is under: a number that is locked as long as the claimer is there. What one
-- that is gone was about is looked into at once, not only when its lease runs out.
alter table effects add column holder int;
