//! What must hold of every read model, checked on a log made of the golden payloads.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::model::{Source, bucket};
use crate::stops::Stops;
use crate::working_set::InTable;
use crate::working_set::fields;
use crate::{MODELS, Model, Recorded, digest};

/// A digest of the rows that the golden log makes, for each (model, version). A fold that changes
/// without its `VERSION` fails here. What is found anew replaces the old line.
const DIGESTS: &[(&str, i32, &str)] = &[
    ("agent_activity", 1, "259cb7c93e49c9862fc01acf1792a34d1328db8eda1282e1518d69d50111c618"),
    ("api_keys", 1, "f79bf6de882774311840c24dc44853d108f04528c66148d28a69696d7b791986"),
    ("audit", 1, "94b3a36d302ab3b99a9df38451a65f4d2b26441d05a5e57c9cd3034d8c3a7ab1"),
    ("channels", 1, "ccad4cc9ed29a5cc5e801cb6baccd14850babe754a07ff2063502919732a4042"),
    ("contacts", 1, "255ee14ce8eee264af24ef9b024644d663339320c71669503bfe67dd1a043551"),
    ("conversation_facts", 1, "e11b778d6430f854a3e1d7a07d0051d8808a39114cc45e4a4cf0786e5a81ebf3"),
    (
        "conversation_messages",
        3,
        "19a554cc7e4057ea313bf6446b7743b325a9332b3a477647a1d23aea98a5fa27",
    ),
    ("inbox", 1, "e34098e1a662cfdbaac3a6d5cfbef98129e774314dc85c5487a59738ee7592b8"),
    ("invitations", 1, "c8518ab11dc571721bbc2607def1a998169390a95f466a0be617aa14b0fe2b12"),
    ("members", 1, "bf40c8e7f6fb34b0550735df8d749f5fff13d7845f89d897443e5e6f3a48c406"),
    ("message_volume", 1, "5e989cff4eff39274647934b5fc5045afd5669ac1279a047ff4d5bf65c07fb39"),
    ("payout_facts", 2, "d199fe83cfe1f0702f0259bc28529fafee460ca5944f6f5072311d4e0dc4182c"),
    ("payouts", 2, "009ae09910394c6252829fa6cf945e775a1f4d28077cc3e03638a2bb5227e27b"),
    ("presence", 1, "da9551f5ba943f262a9d42ca0655607c08d742d0324abefc48ff5625f2c6e965"),
    ("teams", 1, "5d7311f3d0dc340df864d8236a0ff2404c9646f3e6fbb8df36aaa512b3523591"),
    ("template_usage", 1, "5e17dadc523caa73fea953121aac4f8125763d8b1c2cb2460393ef1043e3a294"),
    ("templates", 3, "580270120ce66482b1328754cb25ee7157cf3c47a2786692948c91faac81bc27"),
    ("ticket_comments", 1, "680c4beb7e2f619b6cb12c34acc1813fc8a2cfdc25440cf0f5525b1e1e13e819"),
    ("tickets", 2, "45f09f170bfd570342bb45ba5a0531dcd9e9873d341f82d24972d780cd6f2703"),
    ("workspace", 2, "b6cc22c2923179b4ec9490c1bfd00922c9a6e0d681f14a9d8ac794e9440991d7"),
];

#[test]
fn a_fold_changes_only_with_its_version() {
    let log = golden_log();
    let mut unknown = vec![];
    for model in MODELS.iter().copied() {
        let found = digest::of_rows(&fold(model, &log, &[]));
        let known = (model.name(), model.version(), found.as_str());
        if !DIGESTS.contains(&known) {
            unknown.push(format!("{known:?}"));
        }
    }
    assert!(
        unknown.is_empty(),
        "if the fold changed, raise VERSION; then say:\n{}",
        unknown.join(",\n")
    );
}

#[test]
fn the_golden_log_holds_every_golden_payload() {
    let names = |dir: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/stored");
    let aggregates = names(&stored).into_iter();
    let files: BTreeSet<String> = aggregates
        .flat_map(|aggregate| {
            let files = names(&stored.join(&aggregate)).into_iter();
            files.map(move |file| format!("{aggregate}/{file}"))
        })
        .collect();
    let told = |(stream, event): &(&str, &str)| {
        let (aggregate, _) = stream.split_once('/').unwrap_or((stream, ""));
        format!("{aggregate}/{event}-1.json")
    };
    assert_eq!(files, ORDER.iter().map(told).collect());
}

#[test]
fn a_row_has_the_columns_that_are_declared() {
    let log = golden_log();
    for model in MODELS.iter().copied() {
        let rows = fold(model, &log, &[]);
        let row: Value = serde_json::from_str(rows.values().next().unwrap()).unwrap();
        let fields: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let columns = model.columns().iter().map(|column| column.name).collect();
        assert_eq!(fields, columns, "{}", model.name());
        let key: Value = serde_json::from_str(rows.keys().next().unwrap()).unwrap();
        let fields: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, model.key().iter().map(|column| column.name).collect());
        assert_eq!(model.columns()[0].name, "tenant_id", "{}", model.name());
        // They are written in the order in which they are declared.
        for row in rows.values() {
            let told: Value = serde_json::from_str(row).unwrap();
            for (field, column) in fields::fields(row).into_iter().zip(model.columns()) {
                let value: Value = serde_json::from_str(field.get()).unwrap();
                assert_eq!(value, told[column.name], "{} {}", model.name(), column.name);
            }
        }
    }
}

#[test]
fn the_source_of_a_row_covers_the_events_that_touch_it() {
    for event in golden_log() {
        for model in MODELS {
            for key in model.working_set().keys(&event) {
                let key: Value = serde_json::from_str(&key).unwrap();
                let second = &key[model.key()[1].name];
                let stored = &event.stored;
                assert_eq!(key["tenant_id"], stored.tenant_id.to_string());
                match model.source() {
                    Source::Stream(kind) => {
                        assert_eq!(stored.aggregate_type, kind);
                        assert_eq!(*second, stored.aggregate_id);
                    }
                    Source::Position => assert_eq!(*second, stored.position),
                    Source::Bucket => {
                        let start: DateTime<Utc> = second.as_str().unwrap().parse().unwrap();
                        assert_eq!(start, bucket(stored.recorded_at));
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neither_page_boundaries_nor_other_tenants_influence_a_row(
        picks in prop::collection::vec((0..1000usize, 0..3u128, 0..2u128), 1..60),
        cuts in prop::collection::vec(0..60usize, 0..8),
    ) {
        let golden = golden_log();
        let log: Vec<Recorded> = (1..).zip(&picks).map(|(position, (pick, tenant, stream))| {
            replayed(&golden[pick % golden.len()], position, *tenant, *stream)
        }).collect();
        for model in MODELS.iter().copied() {
            let whole = fold(model, &log, &[]);
            prop_assert_eq!(&whole, &fold(model, &log, &cuts), "{}", model.name());
            for tenant in 0..3 {
                let tenant = Uuid::from_u128(tenant).to_string();
                let own: Vec<Recorded> = log
                    .iter()
                    .filter(|event| event.stored.tenant_id.to_string() == tenant)
                    .cloned()
                    .collect();
                let alone = fold(model, &own, &[]);
                prop_assert!(alone.iter().all(|(key, row)| whole.get(key) == Some(row)));
            }
        }
    }
}

#[test]
fn only_a_row_that_an_event_changes_is_written() {
    for model in MODELS {
        let (mut table, mut rows) = (BTreeMap::new(), model.working_set());
        for event in golden_log() {
            rows.want(&[&event], &InTable::Only(HashSet::new()));
            assert_eq!(rows.fold(&event, &Stops::default()), []);
            let (changes, now) = (rows.changes(), rows.canonical());
            let written = (changes.inserts.rows(), changes.upserts.rows(), changes.deleted);
            let new = now.keys().filter(|key| !table.contains_key(*key)).count();
            let gone = table.keys().filter(|key| !now.contains_key(*key)).count();
            let about = format!("{} {}", model.name(), event.stored.event_type);
            assert_eq!(written, (new, news(&table, &now) - new, gone), "{about}");
            table = now;
        }
    }
}

/// Folds the log, putting rows away into a table at each cut, and forgetting them at every other.
fn fold(model: &dyn Model, log: &[Recorded], cuts: &[usize]) -> BTreeMap<String, String> {
    let mut table: BTreeMap<String, String> = BTreeMap::new();
    let mut rows = model.working_set();
    for (index, event) in log.iter().enumerate() {
        if let Some(cut) = cuts.iter().position(|cut| *cut == index) {
            put_away(&mut table, &mut *rows);
            if cut % 2 == 0 {
                rows.clear();
            }
        }
        if let Some(keys) = rows.want(&[event], &InTable::Any) {
            let found: Vec<String> =
                texts(&keys).iter().filter_map(|key| table.get(key.get()).cloned()).collect();
            rows.supply(&found).unwrap();
        }
        assert_eq!(rows.fold(event, &Stops::default()), []);
    }
    put_away(&mut table, &mut *rows);
    table
}

fn put_away(table: &mut BTreeMap<String, String>, rows: &mut dyn crate::working_set::WorkingSet) {
    let changes = rows.changes();
    for deleted in texts(&changes.deletes) {
        table.remove(deleted.get());
    }
    let now = rows.canonical();
    let new = now.keys().filter(|key| !table.contains_key(*key)).count();
    assert_eq!(new, changes.inserts.rows(), "what is new is inserted, and nothing else");
    let written = changes.inserts.rows() + changes.upserts.rows();
    assert!(news(table, &now) <= written, "a changed row would not be written");
    table.extend(now);
}

/// How many rows are not in the table as they are now.
fn news(table: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> usize {
    now.iter().filter(|(key, row)| table.get(*key) != Some(*row)).count()
}

/// The members of a JSON array as they are spelled.
fn texts(array: &str) -> Vec<Box<RawValue>> {
    serde_json::from_str(array).unwrap()
}

/// The golden payloads in an order in which they could have happened. What ends a row happens in a
/// stream of its own, whose number stands behind the aggregate's name, so that digests say something.
const ORDER: &[(&str, &str)] = &[
    ("organization", "Founded"),
    ("user", "Registered"),
    ("api_key", "Issued"),
    ("channel", "Connected"),
    ("contact", "Registered"),
    ("conversation", "Opened"),
    ("conversation", "Dispatched"),
    ("conversation", "MessageReceived"),
    ("contact", "Renamed"),
    ("contact", "Identified"),
    ("conversation", "Assigned"),
    ("conversation", "MarkedRead"),
    ("conversation", "MessageEchoed"),
    ("conversation", "Read"),
    ("conversation", "Delivered"),
    ("conversation", "Played"),
    ("conversation", "Failed"),
    ("conversation", "NoteAdded"),
    ("conversation", "MessageQueued"),
    ("conversation", "Unknown"),
    ("conversation", "MessageRetried"),
    ("conversation", "MessageDiscarded"),
    ("contact", "NumberChanged"),
    ("contact", "UserIdChanged"),
    ("contact", "AttributesSet"),
    ("contact", "Tagged"),
    ("contact", "Blocked"),
    ("contact", "Absorbed"),
    ("conversation", "Unassigned"),
    ("conversation", "Resolved"),
    ("conversation", "Reopened"),
    ("conversation", "ContactReplaced"),
    ("channel", "AccountUpdated"),
    ("channel", "TemplateUpdated"),
    ("channel", "Unsupported"),
    ("api_key", "Revoked"),
    ("ticket_counter", "Numbered"),
    ("ticket", "Opened"),
    ("ticket", "Assigned"),
    ("ticket", "Prioritised"),
    ("ticket", "Retitled"),
    ("ticket", "Commented"),
    ("ticket", "Pended"),
    ("ticket", "Resumed"),
    ("ticket", "Unassigned"),
    ("ticket", "Solved"),
    ("ticket", "Rated"),
    ("ticket", "Reopened"),
    ("ticket", "Absorbed"),
    ("ticket", "Closed"),
    ("ticket", "Merged"),
    ("template", "Drafted"),
    ("template", "Revised"),
    ("template", "CategoryOverridden"),
    ("template", "SubmissionRequested"),
    ("template", "SubmissionFailed"),
    ("template", "WorkApprovalSet"),
    ("template", "Submitted"),
    ("template", "Pending"),
    ("template", "Rejected"),
    ("template", "Approved"),
    ("template", "Paused"),
    ("template", "Reinstated"),
    ("template", "RecategorisationAnnounced"),
    ("template", "QualityChanged"),
    ("template", "Noted"),
    ("template", "Recategorised"),
    ("template", "Disabled"),
    ("payout", "Requested"),
    ("payout", "Approved"),
    ("payout", "SubmissionStarted"),
    ("payout", "Unknown"),
    ("payout", "Postponed"),
    ("payout", "Accepted"),
    ("payout", "Completed"),
    ("payout", "ContradictionNoticed"),
    ("payout", "Failed"),
    ("payout", "Rejected"),
    ("payout", "Cancelled"),
    ("contact/2", "Registered"),
    ("contact/2", "Tagged"),
    ("contact/2", "Untagged"),
    ("contact/2", "Blocked"),
    ("contact/2", "Unblocked"),
    ("contact/2", "Merged"),
    ("conversation/2", "Opened"),
    ("conversation/2", "MessageReceived"),
    ("conversation/2", "Merged"),
    ("channel", "AutomationReported"),
    ("channel", "CallUpdated"),
    ("channel", "ContactSynced"),
    ("channel", "GroupUpdated"),
    ("channel", "LineFailed"),
    ("channel", "PhoneNumberUpdated"),
    ("channel", "PreferenceChanged"),
    ("template/2", "Drafted"),
    ("template/2", "Deleted"),
    ("template/3", "Drafted"),
    ("template/3", "Removed"),
    ("conversation/3", "Opened"),
    ("conversation/3", "MessageQueued.template"),
    ("conversation/3", "Dispatched"),
    ("conversation/3", "Delivered"),
    ("conversation/3", "Resolved"),
    ("conversation/3", "Reopened.between"),
    ("conversation/4", "Opened"),
    ("conversation/4", "MessageQueued.template"),
    ("conversation/4", "Merged.cycle"),
    ("template/3", "RemovalFailed"),
    ("template/4", "Drafted"),
    ("template/4", "SubmissionFailed.denied"),
    ("template/5", "Imported"),
    ("template/5", "Approved"),
    ("channel", "Renamed"),
    ("channel", "WhenClosedChosen"),
    ("channel", "SecretReplaced"),
    ("channel", "Disconnected"),
    ("channel", "Reconnected"),
    ("channel/2", "PawapayConnected"),
    ("channel/2", "CallbackKeyChanged"),
    ("payout/2", "Requested"),
    ("payout/2", "Approved"),
    ("payout/2", "SubmissionStarted.token"),
    ("organization", "SecondFactorRequirementSet"),
    ("user", "EmailSet"),
    ("user", "ChallengeIssued"),
    ("user", "ChallengeMet"),
    ("user", "EmailVerified"),
    ("user", "PasswordSet"),
    ("user", "RoleChanged"),
    ("user", "SecondFactorEnrolled"),
    ("user", "SecondFactorConfirmed"),
    ("user", "SecondFactorPassed"),
    ("user", "RecoveryCodeUsed"),
    ("user", "RecoveryCodeRevoked"),
    ("user", "RecoveryCodesReplaced"),
    ("user", "SecondFactorDisabled"),
    ("user", "Deactivated"),
    ("session", "Started"),
    ("session", "Refreshed"),
    ("session", "SteppedUp"),
    ("session", "ReuseNoticed"),
    ("session", "Ended"),
    ("api_key/2", "Issued.scoped"),
    ("api_key/2", "Renamed"),
    ("api_key/2", "Rescoped"),
    ("api_key/2", "ExpirySet"),
    ("api_key/2", "Rotated"),
    ("api_key/2", "TokenIssued"),
    ("user/2", "Registered"),
    ("user/2", "Renamed"),
    ("user/2", "Deactivated"),
    ("user/2", "Reactivated"),
    ("organization", "Renamed"),
    ("organization", "TimezoneSet"),
    ("organization", "LocaleSet"),
    ("organization", "CurrencySet"),
    ("organization", "LogoSet"),
    ("organization", "AgentsRestrictionSet"),
    ("organization", "OwnerAdded"),
    ("organization", "OwnerRemoved"),
    ("organization", "PlanSet"),
    ("organization", "Suspended"),
    ("organization/2", "Founded"),
    ("organization/2", "Suspended"),
    ("organization/2", "Reactivated"),
    ("invitation", "Created"),
    ("invitation", "Resent"),
    ("invitation", "Accepted"),
    ("invitation/2", "Created"),
    ("invitation/2", "Revoked"),
    ("presence", "CameOnline"),
    ("presence", "AvailabilityChosen"),
    ("presence/2", "CameOnline"),
    ("presence/2", "WentOffline"),
    ("team", "Created"),
    ("team", "Renamed"),
    ("team", "MemberSet"),
    ("team", "ScheduleSet"),
    ("team/2", "Created"),
    ("team/2", "MemberSet"),
    ("team/2", "MemberRemoved"),
    ("team/2", "Deleted"),
    ("staff", "Added"),
    ("staff", "Removed"),
    ("visit", "Began"),
    ("visit", "Looked"),
    ("payout/2", "Unknown"),
    ("payout/2", "Settled"),
    ("payout/3", "Requested"),
    ("payout/3", "Approved"),
    ("payout/3", "Revised"),
    ("api_key/2", "TokenIssued.scoped"),
    ("attempts", "Refused"),
    ("attempts", "StrangerRefused"),
    ("operation", "RolledBack"),
    ("operation", "LetterSkipped"),
    ("organization", "MembersCounted"),
    ("organization", "MemberAdded"),
    ("organization", "MemberRemoved"),
    ("session/2", "Started"),
    ("session/2", "Refreshed.timed"),
    ("session/3", "Started.timed"),
    ("session/3", "Refreshed.by_client"),
];

fn golden_log() -> Vec<Recorded> {
    let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
    (1..)
        .zip(ORDER)
        .map(|(position, (stream, event))| {
            let version = versions.entry(stream).or_default();
            *version += 1;
            golden(stream, event, position, *version)
        })
        .collect()
}

fn golden(stream: &str, event: &str, position: i64, sequence: i64) -> Recorded {
    let (aggregate, number) = stream.split_once('/').unwrap_or((stream, "6"));
    let file = format!("../domain/stored/{aggregate}/{event}-1.json");
    let payload =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let start: DateTime<Utc> = "2026-03-01T09:00:00Z".parse().unwrap();
    Recorded::decode(event_store::Recorded {
        aggregate_type: aggregate.into(),
        aggregate_id: Uuid::from_u128(number.parse().unwrap()).to_string(),
        sequence,
        // Behind a dot stands what the payload has and an earlier one of the same version hasn't.
        event_type: event.split('.').next().unwrap_or(event).into(),
        event_version: "1".into(),
        payload,
        metadata: "{}".into(),
        position,
        tenant_id: Uuid::from_u128(1),
        event_id: Uuid::from_u128(1000 + u128::from(position.unsigned_abs())),
        // A member does every other thing.
        actor: if position % 2 == 0 {
            format!("user:{}", Uuid::from_u128(7))
        } else {
            "system".into()
        },
        command_id: None,
        correlation_id: Uuid::from_u128(7),
        causation_id: None,
        recorded_at: start + TimeDelta::minutes(4 * position),
    })
    .unwrap()
}

/// The same event at another place of another log.
fn replayed(event: &Recorded, position: i64, tenant: u128, stream: u128) -> Recorded {
    let mut event = event.clone();
    event.stored.position = position;
    event.stored.sequence = position;
    event.stored.tenant_id = Uuid::from_u128(tenant);
    event.stored.aggregate_id = Uuid::from_u128(tenant * 10 + stream).to_string();
    event
}
