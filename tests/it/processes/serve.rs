//! `verbatim serve` over a database of one's own, and on which it refuses to stand.

use std::process::Command;

use event_store::embedded::{Embedded, Settings};
use sqlx::{ConnectOptions, Executor};

use crate::support::{Running, Scratch, TestDatabase, client, ended, program};

fn serve(scratch: &Scratch, url: &str) -> Command {
    let mut command = program("verbatim");
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(scratch.0.join("keys"));
    command.env("DATABASE_URL", url);
    command
}

/// The one line with which it refuses.
fn refusal(command: Command) -> String {
    let output = ended(command);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("verbatim: "), "{said}");
    said
}

#[tokio::test]
async fn a_server_stands_on_a_database_of_ones_own() {
    let scratch = Scratch::new();
    let settings = Settings { dir: scratch.0.join("pg"), durable: true };
    std::fs::create_dir_all(&scratch.0).unwrap();
    let embedded = Embedded::start(&settings).await.unwrap();
    for _ in 0..2 {
        let server = Running::start(serve(&scratch, &embedded.url()), "Listening on");
        for path in ["/health", "/ready", "/metrics"] {
            let answer = client().get(format!("{}{path}", server.base_url)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
        assert!(server.stop().success());
    }
    assert!(scratch.0.join("keys/master.key").exists());
    assert!(!scratch.0.join("keys/postgres").exists(), "it made no database of its own");
    refuses_who_owns_too_much(&scratch, &embedded).await;
    refuses_what_forgets(&scratch, &embedded).await;
    Running::start(serve(&scratch, &embedded.url()), "Listening on").kill();
    embedded.stop().await.unwrap();
    let gone = refusal(serve(&scratch, "postgres://postgres@127.0.0.1:1/verbatim"));
    assert!(gone.contains("can't be reached"), "{gone}");
    let nonsense = refusal(serve(&scratch, "a database"));
    assert!(nonsense.contains("DATABASE_URL"), "{nonsense}");
    let mut watched = serve(&scratch, "postgres://postgres@127.0.0.1:1/verbatim");
    watched.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ada:hunter2@the collector");
    let lost = refusal(watched);
    assert!(lost.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && !lost.contains("hunter2"), "{lost}");
}

async fn refuses_who_owns_too_much(scratch: &Scratch, embedded: &Embedded) {
    let mut owner = embedded.options().connect().await.unwrap();
    let too_much = [
        (
            "create table hoard (); alter table hoard owner to verbatim_app",
            "owns hoard",
            "drop table hoard",
        ),
        (
            "alter function append_batch owner to verbatim_app",
            "owns the function append_batch",
            "alter function append_batch owner to postgres",
        ),
        (
            "alter role verbatim_app bypassrls",
            "bypasses row security",
            "alter role verbatim_app nobypassrls",
        ),
        (
            "alter role verbatim_bi superuser",
            "is a superuser",
            "alter role verbatim_bi nosuperuser",
        ),
        (
            "create role great superuser; create role small in role great; grant small to verbatim_app",
            "may become great",
            "drop role great, small",
        ),
        (
            "grant pg_read_all_data to verbatim_app",
            "may become pg_read_all_data",
            "revoke pg_read_all_data from verbatim_app",
        ),
        (
            "grant insert on events to public",
            "may write events",
            "revoke insert on events from public",
        ),
        (
            "grant create on schema public to verbatim_worker",
            "may make things",
            "revoke create on schema public from verbatim_worker",
        ),
        (
            "alter table claims disable row level security",
            "reads claims of every organisation",
            "alter table claims enable row level security",
        ),
        (
            "insert into bi_logins values ('postgres', gen_random_uuid())",
            "is lent to postgres",
            "delete from bi_logins",
        ),
    ];
    for (wrong, words, right) in too_much {
        owner.execute(wrong).await.unwrap();
        let said = refusal(serve(scratch, &embedded.url()));
        assert!(said.contains(words) && said.contains("role verbatim_"), "{said}");
        owner.execute(right).await.unwrap();
    }
}

async fn refuses_what_forgets(scratch: &Scratch, embedded: &Embedded) {
    let mut owner = embedded.options().connect().await.unwrap();
    owner.execute("alter database verbatim set synchronous_commit = off").await.unwrap();
    let said = refusal(serve(scratch, &embedded.url()));
    assert!(said.contains("synchronous_commit = off"), "{said}");
    owner.execute("alter database verbatim reset synchronous_commit").await.unwrap();
}

#[tokio::test]
async fn a_server_refuses_a_database_that_could_lose_what_was_acknowledged() {
    let scratch = Scratch::new();
    let careless = TestDatabase::new().await;
    let said = refusal(serve(&scratch, careless.options.to_url_lossy().as_str()));
    assert!(said.contains("fsync = off"), "{said}");
}
