//! Commands on invitations: asking people to join, one or many, asking again, and taking it back.

use std::collections::HashMap;

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use commands::access::invitations::{self, Guest};
use commands::access::limits::{Door, shut};
use commands::{Error, Refusal, Work};
use domain::aggregate::Role;
use domain::invitation::{self, Asked, Invitation};
use domain::secret::SecretRef;
use domain::user::Email;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Administrator, Colleague};
use crate::body::{Nothing, Request};
use crate::command::{About, Answered, Changed, Command, Made, Noun, Told as Answer, plain};
use crate::idempotent::{self, once};
use crate::limits;
use crate::openapi::Api;
use crate::problem::Problem;

/// How many may be asked at once.
const MOST: usize = 100;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/invitations", create)
        .is("invitation.create", "Invites somebody by mail")
        .says("The mail carries a token that is good for 7 days.")
        .refuses(403, &["invitation.above_own_role", "organization.no_seat_left"])
        .refuses(409, &["invitation.email_taken", "invitation.is_member"])
        .refuses(422, &["user.invalid_email"]);
    api.post("/v1/invitations/bulk", create_many)
        .is("invitation.create_many", "Invites up to 100 people by mail")
        .says("Tells of each what became of it; who can't be invited keeps nobody else out.")
        .refuses(422, &["invitation.too_many"]);
    api.post("/v1/invitations/{id}/resend", resend)
        .is("invitation.resend", "Mails another token, which is good for 7 days again")
        .says("The one before opens no longer.")
        .refuses(403, &["invitation.above_own_role"])
        .refuses(409, &["invitation.accepted", "invitation.revoked"]);
    api.post("/v1/invitations/{id}/revoke", revoke)
        .is("invitation.revoke", "Takes an invitation back")
        .refuses(403, &["invitation.above_own_role"])
        .refuses(409, &["invitation.accepted"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InvitationTold")]
pub(crate) struct Told {
    #[schemars(example = &"otieno@baraka.example")]
    email: Option<String>,
    role: Role,
    status: Status,
    /// Who it makes a member.
    user_id: Uuid,
    expires_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "InvitationStatus")]
pub(crate) enum Status {
    Pending,
    Expired,
    Accepted,
    Revoked,
}

impl Noun for Invitation {
    type Told = Told;

    fn absent() -> Refusal {
        invitation::Error::NotFound.into()
    }

    /// A command leaves its time where it can be over only if it says so.
    fn told(&self) -> Result<Told, Refusal> {
        let asked: &Asked = self.asked.as_ref().ok_or_else(Invitation::absent)?;
        Ok(Told {
            email: asked.email.clear().map(|email| email.as_str().to_owned()),
            role: asked.role,
            status: match asked.answer {
                None => Status::Pending,
                Some(invitation::Answer::Accepted) => Status::Accepted,
                Some(invitation::Answer::Revoked) => Status::Revoked,
            },
            user_id: asked.user,
            expires_at: asked.expires_at,
        })
    }
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Invite")]
struct Invite {
    #[schemars(example = &"otieno@baraka.example")]
    email: String,
    /// None above one's own.
    #[serde(default = "agent")]
    role: Role,
}

fn agent() -> Role {
    Role::Agent
}

impl Invite {
    fn guest(&self) -> Result<Guest, Refusal> {
        Ok(Guest { email: Email::parse(&self.email)?, role: self.role })
    }
}

async fn create(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    request: Request<Invite>,
) -> Answered<Made, Invitation> {
    let by = writer.0.principal.role;
    once(&state, &writer, &request, "invitation.create", async |meta| {
        let guest = request.parse()?.guest()?;
        limits::invite(&state, &meta, 1).await?;
        let id = Uuid::now_v7();
        let token = invitations::mint(state.commands.store(), meta.tenant, id).await?;
        let created = Command::create(id, format!("/v1/invitations/{id}"))
            .run::<Invitation>(&state, &meta, async |work: &mut Work<'_>| {
                invitations::invite(work, id, &guest, by, &token).await
            })
            .await;
        if created.is_err() {
            invitations::forget(&state.commands, &meta, &[token.id]).await?;
        }
        created
    })
    .await
}

async fn resend(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered<Changed, Invitation> {
    let by = writer.0.principal.role;
    once(&state, &writer, &request, "invitation.resend", async |meta| {
        let Nothing {} = request.parse()?;
        let store = state.commands.store();
        // Who is invited again and again has not asked for it.
        if let (None, Some(wait)) =
            (&meta.dry_run, shut(store, Door::Mail, None, Some(id.as_bytes())).await?)
        {
            return Err(Problem::too_many("somebody invites them", wait));
        }
        limits::invite(&state, &meta, 1).await?;
        let (known, _) = state.commands.load::<Invitation>(meta.tenant, *id).await?;
        let token = invitations::mint(store, meta.tenant, *id).await?;
        let sent = Command::on(*id, request.expected_version()?)
            .run::<Invitation>(&state, &meta, async |work: &mut Work<'_>| {
                invitations::resend(work, *id, by, &token).await
            })
            .await;
        let useless = match &sent {
            Ok(_) => known.asked.map(|asked| asked.token),
            Err(_) => Some(token.id),
        };
        let useless: Vec<Uuid> = useless.into_iter().collect();
        invitations::forget(&state.commands, &meta, &useless).await?;
        sent
    })
    .await
}

async fn revoke(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered<Changed, Invitation> {
    let by = writer.0.principal.role;
    let command = || invitation::Command::Revoke { by };
    plain::<Invitation>(&writer, &state, *id, &request, "revoke", command).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InviteMany {
    /// 1 to 100.
    invitations: Vec<Invite>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InvitedMany")]
pub(crate) struct Report {
    created: usize,
    refused: usize,
    /// In the order of the request.
    invitations: Vec<Item>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(rename = "InvitedOne")]
enum Item {
    Created {
        #[schemars(example = &"otieno@baraka.example")]
        email: String,
        id: Uuid,
    },
    Refused {
        #[schemars(example = &"otieno@baraka")]
        email: String,
        #[schemars(example = &"user.invalid_email")]
        code: String,
        detail: String,
    },
}

/// Somebody of many: the guest if the request made sense, and what is prepared for them.
struct Place {
    number: usize,
    told: String,
    guest: Result<Guest, Refusal>,
    /// Where the request names the same one first.
    first: Option<usize>,
    id: Uuid,
    token: SecretRef,
}

async fn create_many(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    request: Request<InviteMany>,
) -> Result<Answer<About<Report>>, Problem> {
    let by = writer.0.principal.role;
    once(&state, &writer, &request, "invitation.create_many", async |meta| {
        let asked = request.parse()?.invitations;
        if !(1..=MOST).contains(&asked.len()) {
            let detail = format!("invite 1 to {MOST} people at once");
            return Err(Problem::field("invitations", "invitation.too_many", detail));
        }
        let guests = guests(&asked);
        let new = guests.iter().filter(|(guest, first)| guest.is_ok() && first.is_none()).count();
        limits::invite(&state, &meta, new).await?;
        let places = places(&state, meta.tenant, &asked, guests).await?;
        let outcome = state
            .commands
            .transact(&meta, async |work: &mut Work<'_>| {
                let mut refusals: Vec<Option<Refusal>> = vec![];
                for place in &places {
                    // Who can't be invited can't be by being named again.
                    let refusal = match place.first.and_then(|first| refusals[first].clone()) {
                        Some(refusal) => Some(refusal),
                        None => place.invite(work, by).await?,
                    };
                    if let Some(refusal) = refusal.clone() {
                        work.refuse(format!("invitations[{}]", place.number), refusal);
                    }
                    refusals.push(refusal);
                }
                let items = places.iter().zip(refusals).map(|(place, it)| place.told(it)).collect();
                Ok(idempotent::Answer::about(&report(items)).kept_in(work))
            })
            .await;
        let useless: Vec<Uuid> = match &outcome {
            Ok(outcome) => {
                let unused = |place: &&Place| !outcome.value.body.contains(&place.id.to_string());
                places.iter().filter(unused).map(|place| place.token.id).collect()
            }
            Err(_) => places.iter().map(|place| place.token.id).collect(),
        };
        invitations::forget(&state.commands, &meta, &useless).await?;
        let outcome = outcome?;
        Ok((outcome.value, outcome.position))
    })
    .await
}

/// Whom the request names, and where it did so first.
type Named = (Result<Guest, Refusal>, Option<usize>);

fn guests(asked: &[Invite]) -> Vec<Named> {
    let mut seen = HashMap::new();
    let named = |(number, one): (usize, &Invite)| {
        let guest = one.guest();
        let email = guest.as_ref().ok().map(|guest| guest.email.clone());
        let first = email.map(|email| *seen.entry(email).or_insert(number));
        (guest, first.filter(|first| *first < number))
    };
    asked.iter().enumerate().map(named).collect()
}

async fn places(
    state: &State,
    tenant: Uuid,
    asked: &[Invite],
    guests: Vec<Named>,
) -> Result<Vec<Place>, Error> {
    let mut places = vec![];
    for ((number, one), (guest, first)) in asked.iter().enumerate().zip(guests) {
        let id = Uuid::now_v7();
        let token = invitations::mint(state.commands.store(), tenant, id).await?;
        places.push(Place { number, told: one.email.clone(), guest, first, id, token });
    }
    Ok(places)
}

impl Place {
    /// Tells why not, where that is so.
    async fn invite(&self, work: &mut Work<'_>, by: Role) -> Result<Option<Refusal>, Error> {
        let invited = match &self.guest {
            Ok(_) if self.first.is_some() => Err(invitation::Error::ToldTwice.into()),
            Ok(guest) => invitations::invite(work, self.id, guest, by, &self.token).await,
            Err(refusal) => Err(refusal.clone().into()),
        };
        match invited {
            Ok(()) => Ok(None),
            Err(Error::Refused(refusal)) => Ok(Some(refusal)),
            Err(error) => Err(error),
        }
    }

    fn told(&self, refusal: Option<Refusal>) -> Item {
        let email = self.told.clone();
        let Some(refusal) = refusal else { return Item::Created { email, id: self.id } };
        let detail = refusal.to_string();
        Item::Refused { email, code: Problem::from(refusal).code().to_owned(), detail }
    }
}

fn report(invitations: Vec<Item>) -> Report {
    let created = |item: &&Item| matches!(item, Item::Created { .. });
    let created = invitations.iter().filter(created).count();
    Report { created, refused: invitations.len() - created, invitations }
}
