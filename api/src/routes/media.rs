//! Files of messages. WhatsApp keeps them, for 30 days; here they pass through.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use commands::Work;
use commands::gateways::whatsapp::graph::{Graph, LONGEST_MEDIA};
use domain::message::Media;
use projections::conversation_messages;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::conversations_read::said_in;
use crate::auth::{Member, Writer};
use crate::command::{About, Told};
use crate::envelope::Under;
use crate::file::{NAMELESS, Passed, Upload};
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::Values;
use crate::{State, reach, reading};

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/media", upload)
        .is("media.upload", "Uploads a file for a message")
        .is_done_only()
        .says(
            "The body is the file, `Content-Type` its type. The `id` in the answer is what a \
             message names; WhatsApp keeps the file for 30 days.",
        )
        .refuses(422, &["channel.not_found", "parameter.invalid"])
        .refuses_as_whatsapp();
    api.post("/v1/templates/media", sample)
        .is("template.upload_sample", "Uploads a sample for the header of a template")
        .is_done_only()
        .says("The body is the file. The `handle` goes into the header's `example.header_handle`.")
        .refuses(422, &["channel.not_found", "parameter.invalid"])
        .refuses_as_whatsapp();
    api.get("/v1/media/{id}", fetch)
        .is("media.fetch", "Fetches a file from WhatsApp")
        .says("Whoever sees only their own conversations fetches the files of their messages.")
        .refuses(410, &["media.gone"])
        .refuses(422, &["channel.not_found"])
        .refuses_as_whatsapp();
    api.get("/v1/conversations/{id}/messages/{message_id}/media", of_message)
        .is("message.media", "Fetches the file of a message")
        .refuses(404, &["message.no_file"])
        .refuses(410, &["media.gone"])
        .refuses(422, &["channel.not_found"])
        .refuses_as_whatsapp();
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UploadAsked {
    /// The line that will send it.
    channel: Uuid,
    /// What the file is called.
    #[schemars(length(min = 1, max = 240))]
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FetchAsked {
    /// The line that it came to, or was uploaded for.
    channel: Uuid,
}

#[derive(Serialize, JsonSchema)]
struct Uploaded {
    #[schemars(example = &"1013859600285441")]
    id: String,
    channel_id: Uuid,
    #[schemars(example = &"image/jpeg")]
    mime_type: String,
    bytes: usize,
    /// In hexadecimal digits.
    sha256: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TemplateSample")]
struct Sample {
    #[schemars(example = &"4::aW1hZ2UvanBlZw==:ARZ")]
    handle: String,
    channel_id: Uuid,
}

type Kept<T> = Result<Under<201, Told<About<T>>>, Problem>;

async fn upload(
    writer: Writer,
    state: Data<State>,
    asked: Query<UploadAsked>,
    file: Upload,
) -> Kept<Uploaded> {
    let UploadAsked { channel, filename } = asked.into_inner();
    kept(&state, &writer, &file, "media.upload", async || {
        let name = named(filename)?;
        let line = reach::line(&state, writer.0.tenant(), channel, "channel").await?;
        let (bytes, mime_type) = (file.bytes(), file.mime_type.clone());
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let length = bytes.len();
        let id = line.graph.upload(&line.route.line, bytes, &mime_type, &name).await?;
        Ok(Uploaded { id, channel_id: channel, mime_type, bytes: length, sha256 })
    })
    .await
}

async fn sample(
    writer: Writer,
    state: Data<State>,
    asked: Query<UploadAsked>,
    file: Upload,
) -> Kept<Sample> {
    let UploadAsked { channel, filename } = asked.into_inner();
    kept(&state, &writer, &file, "template.upload_sample", async || {
        let name = named(filename)?;
        let line = reach::line(&state, writer.0.tenant(), channel, "channel").await?;
        let handle = line.graph.upload_sample(file.bytes(), &file.mime_type, &name).await?;
        Ok(Sample { handle, channel_id: channel })
    })
    .await
}

/// A repeat under the same key makes no second file: what was made the first time is told again.
async fn kept<T: Serialize>(
    state: &State,
    writer: &Writer,
    file: &Upload,
    operation: &str,
    make: impl AsyncFnOnce() -> Result<T, Problem>,
) -> Kept<T> {
    let told = once(state, writer, &file.request, operation, async |meta| {
        let made = make().await?;
        let kept = state
            .commands
            .transact(&meta, async |work: &mut Work<'_>| Ok(Answer::about(&made).kept_in(work)))
            .await?;
        Ok((kept.value, kept.position))
    });
    told.await.map(Under)
}

fn named(filename: Option<String>) -> Result<String, Problem> {
    let name = filename.unwrap_or_else(|| NAMELESS.to_owned());
    let fits = (1..=240).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits {
        return Ok(name);
    }
    let expected = "has 1 to 240 characters, none of them a control character";
    Err(reading::unreadable("filename", expected))
}

async fn fetch(
    member: Member,
    state: Data<State>,
    id: Path<String>,
    asked: Query<FetchAsked>,
) -> Result<Passed, Problem> {
    // Whose message it hangs on is not known here.
    if member.only().is_some() {
        return Err(Problem::not_found());
    }
    let line = reach::line(&state, member.tenant(), asked.channel, "channel").await?;
    passed(&line.graph, &id, None).await
}

/// Of a message, what leads to its file.
#[derive(Deserialize)]
struct WithFile {
    body: Option<String>,
    channel_id: Option<Uuid>,
}

/// Of what a message says, its file.
#[derive(Deserialize)]
struct Said {
    content: Media,
}

async fn of_message(
    member: Member,
    state: Data<State>,
    ids: Path<(Uuid, Uuid)>,
) -> Result<Passed, Problem> {
    let (conversation, message) = ids.into_inner();
    let (_, said) = said_in(&state, &member, conversation, None).await?;
    let found = conversation_messages::find(&said, conversation, message).await?;
    let WithFile { body, channel_id } = found.ok_or_else(Problem::not_found)?;
    let channel = channel_id.ok_or_else(Problem::not_found)?;
    let values = Values::open(&state, &member, &body).await?;
    let said: Option<Said> = values.get(body.as_ref());
    let media = said.map(|said| said.content).unwrap_or_default();
    let id = media.id.ok_or_else(|| {
        let detail = "the message has no file that WhatsApp keeps";
        Problem::new(StatusCode::NOT_FOUND, "message.no_file", detail)
    })?;
    let line = reach::line(&state, member.tenant(), channel, "channel").await?;
    passed(&line.graph, &id, media.filename).await
}

/// The address that is told first holds for minutes only, so it is asked for each time.
async fn passed(graph: &Graph, id: &str, filename: Option<String>) -> Result<Passed, Problem> {
    let asked = async {
        let info = graph.media(id).await?;
        let download = graph.download(&info, LONGEST_MEDIA).await?;
        Ok::<_, Problem>(Passed { download, mime_type: info.mime_type, filename })
    };
    asked.await.map_err(|problem| match problem.code() {
        "whatsapp.not_found" => {
            let detail = "WhatsApp has no such file any more; it keeps files for 30 days";
            Problem::new(StatusCode::GONE, "media.gone", detail)
        }
        _ => problem,
    })
}
