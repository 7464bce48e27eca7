//! PushTelemetry (key 72), version 0: a client's measurements arrive (KIP-714).
//!
//! Read as OpenTelemetry's protocol and kept in memory, bounded, until the client is asked for
//! something else or others need the room.
//!
//! Deviations from Apache Kafka: the bytes are read here instead of by a plug-in; what is no OTLP
//! is answered with INVALID_RECORD, as Kafka does when its plug-in fails.
//!
//! - 0: first layout, flexible from the start

use base::{ErrorCode, Uuid};
use batch::Codec;
use broker::{Broker, Unavailable, read_metrics};
use config::ClientTraits;
use wire::WireError;
use wire::push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::get_telemetry_subscriptions::{code_of, telemetry_bytes_max};
use crate::handlers::{begin, read};
use crate::table::Request;

/// The most bytes that one push may unpack to.
const PLAIN_BYTES_MAX: usize = 8 << 20;

/// A push, owned.
struct Push {
    instance_id: Uuid,
    client: ClientTraits,
    subscription_id: i32,
    is_last: bool,
    compression_type: i8,
    bytes: Vec<u8>,
}

/// Judges the push on core 0, reads it here, and keeps it there.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let client = context.traits(&request.client_id);
    let asked: PushTelemetryRequest<'_> = read(&mut request)?;
    let respond = |code: ErrorCode| PushTelemetryResponse {
        throttle_time_ms: 0,
        error_code: code.code(),
    };
    // Zero and one are no client's ids.
    if asked.client_instance_id.0 <= 1 {
        return Ok(question.answer(&respond(ErrorCode::InvalidRequest)));
    }
    let bytes_max = usize::try_from(telemetry_bytes_max(context)).unwrap_or(0);
    let push = Push {
        instance_id: asked.client_instance_id,
        client,
        subscription_id: asked.subscription_id,
        is_last: asked.terminating,
        compression_type: asked.compression_type,
        bytes: asked.metrics.to_vec(),
    };
    let broker = context.broker().clone();
    let taking = begin(context.core(), async move {
        take(&broker, push, bytes_max).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let code = match taking.await {
            Ok(Ok(Ok(()))) => ErrorCode::None,
            Ok(Ok(Err(code))) => code,
            Ok(Err(_)) | Err(_) => ErrorCode::NetworkException,
        };
        question.encode(&respond(code))
    })))
}

async fn take(
    broker: &Broker,
    push: Push,
    bytes_max: usize,
) -> Result<Result<(), ErrorCode>, Unavailable> {
    let Push {
        instance_id,
        client,
        subscription_id,
        is_last,
        compression_type,
        bytes,
    } = push;
    let begun = broker
        .begin_client_push(instance_id, client, subscription_id, is_last)
        .await?;
    if let Err(refusal) = begun {
        return Ok(Err(code_of(refusal)));
    }
    let Some(codec) = Codec::from_id(i16::from(compression_type)) else {
        broker.allow_client_question(instance_id).await?;
        return Ok(Err(ErrorCode::UnsupportedCompressionType));
    };
    if bytes.len() > bytes_max {
        return Ok(Err(ErrorCode::TelemetryTooLarge));
    }
    let Ok(points) = unpack(codec, &bytes) else {
        return Ok(Err(ErrorCode::InvalidRecord));
    };
    broker.take_client_metrics(instance_id, points).await?;
    Ok(Ok(()))
}

fn unpack(codec: Codec, bytes: &[u8]) -> Result<Vec<broker::Point>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut plain = Vec::new();
    batch::decompress(codec, bytes, PLAIN_BYTES_MAX, &mut plain).map_err(|e| e.to_string())?;
    let pushed = read_metrics(&plain).map_err(|error| error.to_string())?;
    Ok(pushed.points)
}

#[cfg(test)]
#[path = "../tests/push_telemetry_tests.rs"]
mod tests;
