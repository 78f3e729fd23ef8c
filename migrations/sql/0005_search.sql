-- Finding contacts by what the log keeps encrypted: keyed hashes of the beginnings of words and
-- numbers. Without the key nobody can read a name back from them; they are deleted by subject.
create table search_tokens (
    tenant_id uuid not null,
    token     bytea not null,
    -- The contact.
    subject   uuid not null,
    -- Of which of the contact's fields: 1 name, 2 phone, 3 user id, 4 username.
    kind      smallint not null,
    primary key (tenant_id, token, subject, kind)
);
create index search_tokens_subject on search_tokens (tenant_id, subject);

grant select on search_tokens to verbatim_app;
grant select, insert, update, delete on search_tokens to verbatim_projector;
grant select, update on subscriptions to verbatim_projector;
