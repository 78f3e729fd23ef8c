//! From draft to approval and beyond.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::aggregate::{Actor, decide_after};

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

pub(super) fn utility() -> Draft {
    let components = components(json!([{"type": "body", "text": "Your order is ready."}]));
    Draft { category: Category::Utility, components, ..draft() }
}

pub(super) fn context() -> Context {
    Context { tenant: Uuid::from_u128(1), actor: Actor::System, now: at(0) }
}

/// The template after these commands; refusals change nothing.
pub(super) fn after(commands: Vec<Command>) -> (Template, Vec<Event>) {
    let (mut template, mut events) = (Template::default(), vec![]);
    for command in commands {
        for event in template.decide(command, &context()).unwrap_or_default() {
            template.evolve(&event);
            events.push(event);
        }
    }
    (template, events)
}

pub(super) fn drafting(draft: Draft) -> Command {
    Command::Draft { draft, duplicate_of: None }
}

pub(super) fn telling(seconds: i64, said: Said) -> Command {
    Command::Report(Report {
        at: at(seconds),
        provider_id: Some("594".into()),
        category: None,
        said,
    })
}

pub(super) fn denial(reason: &str) -> Denial {
    Denial { reason: reason.into(), code: None, detail: None }
}

fn rejected() -> Said {
    Said::Rejected {
        reason: Some("INVALID_FORMAT".into()),
        explanation: None,
        recommendation: None,
    }
}

#[test]
fn a_draft_is_submitted_and_approved() {
    let (template, events) = after(vec![
        drafting(utility()),
        Command::RequestSubmission,
        Command::Accept { provider_id: "594".into() },
        telling(9, Said::Approved),
    ]);
    assert_eq!(events.len(), 4);
    assert_eq!(template.standing.state, State::Approved);
    assert_eq!(template.provider_id.as_deref(), Some("594"));
    assert_eq!(events[3].template().name, "order_ready");
}

#[test]
fn a_draft_may_have_faults_that_its_submission_may_not() {
    let faulty = Draft { components: vec![], ..utility() };
    let (template, _) = after(vec![drafting(faulty)]);
    let refused = template.decide(Command::RequestSubmission, &context()).unwrap_err();
    assert!(matches!(refused, Error::Invalid(faults) if faults[0].code == "body.missing"));
    let nameless = drafting(Draft { name: "No".into(), ..utility() });
    assert!(matches!(decide_after::<Template>(&[], nameless), Err(Error::Invalid(_))));
    let text = "x".repeat(MOST_CONTENT);
    let huge = with(utility(), "/components/0/text", json!(text));
    assert_eq!(decide_after::<Template>(&[], drafting(huge)), Err(Error::TooLarge));
}

#[test]
fn what_costs_more_than_utility_needs_a_reason() {
    let (template, _) = after(vec![drafting(draft())]);
    let refused = template.decide(Command::RequestSubmission, &context());
    assert_eq!(refused, Err(Error::NeedsOverride("marketing")));
    let allow = || Command::OverrideCategory { reason: "A sale".into() };
    let (template, _) = after(vec![drafting(draft()), allow(), Command::RequestSubmission]);
    assert_eq!(template.standing.state, State::Pending);
    assert_eq!(template.overridden, Some((Category::Marketing, "A sale".into())));
    let (utility, _) = after(vec![drafting(utility())]);
    assert_eq!(utility.decide(allow(), &context()), Err(Error::NothingToOverride));
}

#[test]
fn a_template_under_review_waits_and_a_rejected_one_is_mended() {
    let revise = |text: &str| {
        let components = components(json!([{"type": "body", "text": text}]));
        Command::Revise(Revision { components: Some(components), ..Revision::default() })
    };
    let (template, _) = after(vec![drafting(utility()), Command::RequestSubmission]);
    assert_eq!(template.decide(revise("Other"), &context()), Err(Error::UnderReview));
    assert_eq!(template.decide(Command::RequestSubmission, &context()), Err(Error::UnderReview));
    let commands = || vec![drafting(utility()), Command::RequestSubmission, telling(5, rejected())];
    let (template, _) = after(commands());
    assert_eq!(template.standing.reason.as_deref(), Some("INVALID_FORMAT"));
    let mended = [revise("Other words."), Command::RequestSubmission, telling(9, Said::Approved)];
    let (template, _) = after(commands().into_iter().chain(mended).collect());
    assert_eq!((template.standing.state, template.changed), (State::Approved, false));
    let again = template.decide(Command::RequestSubmission, &context());
    assert_eq!(again, Err(Error::Unchanged));
    let category = Revision { category: Some(Category::Marketing), ..Revision::default() };
    let refused = template.decide(Command::Revise(category), &context());
    assert_eq!(refused, Err(Error::CategoryFixed));
}

#[test]
fn a_submission_that_fails_leaves_the_template_as_it_was() {
    let fail = || Command::FailSubmission(denial("permission_denied"));
    let (template, _) = after(vec![drafting(utility()), Command::RequestSubmission, fail()]);
    assert_eq!((template.standing.state, template.changed), (State::Draft, true));
    assert_eq!(template.standing.reason.as_deref(), Some("permission_denied"));
    assert_eq!(template.decide(fail(), &context()), Err(Error::NotRequested));
}

#[test]
fn what_was_removed_stays_so() {
    let (template, events) = after(vec![
        drafting(utility()),
        Command::Remove,
        Command::Remove,
        telling(9, Said::Approved),
    ]);
    assert_eq!((template.standing.state, events.len()), (State::Removed, 2));
    assert_eq!(template.decide(Command::RequestSubmission, &context()), Err(Error::Removed));
}

fn said() -> impl Strategy<Value = Said> {
    let category = || prop::sample::select(Category::ALL.to_vec());
    prop_oneof![
        Just(Said::Pending),
        Just(Said::Approved),
        Just(Said::Reinstated),
        Just(rejected()),
        Just(Said::Disabled { reason: None }),
        Just(Said::Deleted),
        Just(Said::Paused { title: Some("FIRST_PAUSE".into()), description: None }),
        category().prop_map(|to| Said::Recategorised { from: None, to }),
        prop::sample::select(vec!["GREEN", "YELLOW"])
            .prop_map(|to| Said::QualityChanged { from: None, to: to.into() }),
    ]
}

fn reports() -> impl Strategy<Value = Vec<(i64, Said, Option<Category>)>> {
    let category = prop::option::of(prop::sample::select(Category::ALL.to_vec()));
    prop::collection::vec((0..6i64, said(), category), 1..8)
}

proptest! {
    #[test]
    fn the_order_in_which_meta_is_heard_changes_nothing(
        (told, shuffled) in reports().prop_flat_map(|told| {
            (Just(told.clone()), Just(told).prop_shuffle())
        })
    ) {
        let heard = |reports: Vec<(i64, Said, Option<Category>)>| {
            let report = |(seconds, said, category)| {
                Command::Report(Report { at: at(seconds), provider_id: None, category, said })
            };
            let drafted = std::iter::once(drafting(utility()));
            let (template, _) = after(drafted.chain(reports.into_iter().map(report)).collect());
            let category = template.draft.map(|draft| draft.category);
            (template.standing, category, template.quality)
        };
        prop_assert_eq!(heard(told), heard(shuffled));
    }
}
