//! What stands in the mails.

use domain::user::Purpose;

use crate::access::challenges;

/// Subject and text.
pub(super) fn about(purpose: Purpose, answer: &str) -> (String, String) {
    let (subject, what) = match purpose {
        Purpose::EmailVerification => (
            "Verify your e-mail address".to_owned(),
            "This token verifies your e-mail address at Verbatim:",
        ),
        Purpose::LoginCode => {
            (format!("{answer} is your sign-in code"), "With this code you sign in to Verbatim:")
        }
        Purpose::PasswordReset => (
            "Reset your password".to_owned(),
            "With this token you set a new password at Verbatim:",
        ),
        Purpose::Invitation | Purpose::SecondFactor => {
            ("Your code".to_owned(), "Your code at Verbatim:")
        }
    };
    // The answer has the whole line: a mail breaks those that are longer than 76.
    let body = format!(
        "{what}\n\n{answer}\n\nIt is good once, for {}. If you did not ask for it, do nothing: \
         without it nobody gets in.\n",
        span(purpose)
    );
    (subject, body)
}

/// Subject and text to somebody who may never have heard of us.
pub(super) fn inviting_to(organization: &str, token: &str) -> (String, String) {
    // A name may hold anything; a subject is one line.
    let organization: String = organization.chars().filter(|c| !c.is_control()).collect();
    let body = format!(
        "{organization} invites you to Verbatim. This token lets you in:\n\n{token}\n\nIt is good \
         once, for {}. If you don't know {organization}, do nothing.\n",
        span(Purpose::Invitation)
    );
    (format!("{organization} invites you"), body)
}

fn span(purpose: Purpose) -> String {
    let minutes = challenges::time(purpose).as_secs() / 60;
    match minutes {
        60 => "an hour".to_owned(),
        minutes if minutes % (24 * 60) == 0 => format!("{} days", minutes / (24 * 60)),
        minutes => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_says_what_it_is_for_and_for_how_long() {
        let (subject, body) = about(Purpose::LoginCode, "042117");
        assert!(subject.contains("042117"));
        assert!(body.contains("\n042117\n") && body.contains("10 minutes"));
        assert!(about(Purpose::PasswordReset, "vbp_1").1.contains("an hour"));
        assert!(about(Purpose::EmailVerification, "vbe_1").1.contains("7 days"));
        let (subject, body) = inviting_to("Baraka\r\nBcc: all", "vbi_1");
        assert_eq!(subject, "BarakaBcc: all invites you");
        assert!(body.contains("\nvbi_1\n") && body.contains("7 days"));
    }
}
