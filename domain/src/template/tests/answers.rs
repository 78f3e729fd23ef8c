//! What Meta answers when it is asked.

use super::life::{after, at, context, denial, drafting, telling, utility};
use super::*;

fn seen(said: Said) -> Observed {
    Observed {
        at: at(20),
        provider_id: "594".into(),
        said: Some(said),
        category: Some(Category::Utility),
        quality: None,
        content: Some(utility().content()),
    }
}

fn accepted() -> Vec<Command> {
    let accept = Command::Accept { provider_id: "594".into() };
    vec![drafting(utility()), Command::RequestSubmission, accept]
}

/// What a further command adds to the history.
fn news(mut commands: Vec<Command>, command: Command) -> Vec<Event> {
    let (template, _) = after(std::mem::take(&mut commands));
    template.decide(command, &context()).unwrap()
}

#[test]
fn only_what_is_different_at_meta_is_news() {
    assert_eq!(news(accepted(), Command::Observe(seen(Said::Pending))), []);
    let category = Some(Category::Marketing);
    let different = Observed { category, quality: Some("GREEN".into()), ..seen(Said::Approved) };
    let told = news(accepted(), Command::Observe(different));
    assert!(matches!(
        told.as_slice(),
        [Event::Approved { .. }, Event::Recategorised { .. }, Event::QualityChanged { .. }]
    ));
    let commands = accepted().into_iter().chain([Command::Observe(seen(Said::Approved))]);
    assert_eq!(news(commands.collect(), Command::Observe(seen(Said::Approved))), []);
}

#[test]
fn what_was_heard_later_than_it_was_asked_for_stays() {
    let commands = accepted().into_iter().chain([telling(21, Said::Approved)]).collect();
    assert_eq!(news(commands, Command::Observe(seen(Said::Pending))), []);
}

#[test]
fn while_a_submission_is_under_way_nothing_else_is_looked_at() {
    let commands = vec![drafting(utility()), Command::RequestSubmission];
    assert_eq!(news(commands, Command::Observe(seen(Said::Approved))), []);
}

#[test]
fn words_that_were_changed_at_meta_are_taken_over_unless_ours_are_newer() {
    let words = components(json!([{"type": "BODY", "text": "Come and get it."}]));
    let other = || {
        let content = Some(Content { components: words.clone(), ..utility().content() });
        Command::Observe(Observed { content, ..seen(Said::Pending) })
    };
    let told = news(accepted(), other());
    assert!(matches!(&told[..], [Event::Imported { content, .. }] if content.components == words));
    let components = Some(components(json!([{"type": "body", "text": "Ours."}])));
    let revise = Command::Revise(Revision { components, ..Revision::default() });
    let revised = accepted().into_iter().chain([telling(5, Said::Approved), revise]).collect();
    assert_eq!(
        news(revised, Command::Observe(Observed { content: None, ..seen(Said::Approved) })),
        []
    );
}

#[test]
fn examples_come_back_from_meta_as_something_else_and_change_nothing() {
    let ours = offer().content();
    let theirs = with(offer(), "/components/0/example", json!({"header_handle": ["https://x"]}));
    assert!(ours.agrees(&theirs.content()));
    let other = with(offer(), "/components/2/text", json!("Half off for you."));
    assert!(!ours.agrees(&other.content()));
}

#[test]
fn a_template_that_was_made_at_meta_is_taken_over_as_it_stands() {
    let import = || Command::Import { draft: draft(), seen: seen(Said::Approved) };
    let (template, events) = after(vec![import()]);
    assert!(matches!(&events[..], [Event::Imported { .. }, Event::Approved { .. }, ..]));
    assert_eq!(template.standing.state, State::Approved);
    assert_eq!((template.provider_id.as_deref(), template.changed), (Some("594"), false));
    assert_eq!(template.decide(import(), &context()), Err(Error::AlreadyDrafted));
}

#[test]
fn a_removal_ends_when_meta_has_it_no_more() {
    let commands: Vec<Command> = accepted().into_iter().chain([Command::Remove]).collect();
    let (template, _) = after(commands);
    assert!(template.lingers());
    let gone = || telling(30, Said::Deleted);
    let told = template.decide(gone(), &context()).unwrap();
    assert!(matches!(&told[..], [Event::Deleted { .. }]));
    let commands = accepted().into_iter().chain([Command::Remove, gone()]);
    let (template, _) = after(commands.collect());
    assert!(!template.lingers());
    assert_eq!(template.decide(gone(), &context()), Ok(vec![]));
    let (draft, _) = after(vec![drafting(utility()), Command::Remove]);
    assert!(!draft.lingers(), "Meta never heard of it");
}

#[test]
fn a_removal_that_meta_denied_can_be_asked_for_again() {
    let fail = Command::FailRemoval(denial("permission_denied"));
    let commands = accepted().into_iter().chain([Command::Remove, fail]);
    let (template, _) = after(commands.collect());
    assert_eq!(template.standing.state, State::Removed);
    assert_eq!(template.standing.reason.as_deref(), Some("permission_denied"));
    let again = template.decide(Command::Remove, &context()).unwrap();
    assert!(matches!(&again[..], [Event::Removed { .. }]));
}
