//! Asking a node's admin port, for what the Kafka protocol has no request for.
//!
//! Invariants: without `--admin` the port is only tried, and believed only where it speaks for the
//! same cluster as the brokers do; so commands go on working against brokers that have none.

use std::time::Duration;

use clap::Args;
use client::{Address, Client};
use reactor::{Buffer, Bytes, Core, First, IoError, Pool, Socket, first};
use serde_json::Value;

use super::failure::{Failure, Kind};

/// Where a node's admin port is unless it is told otherwise.
const DEFAULT_PORT: u16 = 9644;
/// How long a port is tried that nobody named.
const GUESS_TIME_MAX: Duration = Duration::from_secs(1);
/// The largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const FIRST_BYTES: usize = 64 << 10;
const HEADERS_MAX: usize = 32;

/// Where the admin port is.
#[derive(Args, Clone, Debug)]
pub(super) struct Admin {
    /// The node's admin port (forebay.admin.listeners), as host:port; without it port 9644 of the
    /// brokers' hosts is tried
    #[arg(
        long,
        env = "FOREBAY_ADMIN",
        value_name = "HOST:PORT",
        hide_env_values = true
    )]
    admin: Option<String>,
}

/// What an admin port answered.
pub(super) enum Answered {
    /// The page.
    Page(Value),
    /// There is no such thing, in its own words.
    Missing(String),
}

impl Admin {
    /// What the node answers to `path`; nothing where no port was named and none answers for this
    /// cluster.
    pub(super) async fn ask(
        &self,
        client: &Client,
        brokers: &[Address],
        path: &str,
    ) -> Result<Option<Answered>, Failure> {
        let core = client.core();
        if let Some(text) = &self.admin {
            // The node prints it as a link when it starts.
            let text = text.strip_prefix("http://").unwrap_or(text);
            let addresses = Address::parse_list(text).map_err(|error| {
                let what = "the address of the admin port cannot be read";
                Failure::new(Kind::General, what, error.to_string(), "correct --admin")
            })?;
            let Some(address) = addresses.first() else {
                return Ok(None);
            };
            let limit = client.options().request_timeout;
            let answered = get(core, address, path, limit).await?;
            return read(&answered).map(Some);
        }
        for broker in brokers {
            let address = Address {
                host: broker.host.clone(),
                port: DEFAULT_PORT,
            };
            let Ok(answered) = get(core, &address, path, GUESS_TIME_MAX).await else {
                continue;
            };
            let Ok(Answered::Page(page)) = read(&answered) else {
                continue;
            };
            let cluster = client.describe_cluster().await?.id;
            if page.get("cluster").and_then(Value::as_str) == Some(&*cluster) {
                return Ok(Some(Answered::Page(page)));
            }
        }
        Ok(None)
    }
}

/// A name as a part of a path.
pub(super) fn segment(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// One request: the code and the body of what comes back.
async fn get(
    core: &Core,
    address: &Address,
    path: &str,
    limit: Duration,
) -> Result<(u16, Vec<u8>), Failure> {
    let asking = Box::pin(exchange(core, address, path));
    let failed = |why: String| {
        Failure::new(
            Kind::Unreachable,
            format!(
                "the admin port at {}:{} does not answer",
                address.host, address.port
            ),
            why,
            "name it with --admin; forebay.admin.listeners of the node says where it is",
        )
    };
    match first(asking, core.sleep(limit)).await {
        First::Left(Ok(answer)) => {
            split(&answer).ok_or_else(|| failed("what came back is no answer of HTTP".to_owned()))
        }
        First::Left(Err(error)) => Err(failed(error.to_string())),
        First::Right(()) => Err(failed(format!(
            "it took longer than {} ms",
            limit.as_millis()
        ))),
    }
}

async fn exchange(core: &Core, address: &Address, path: &str) -> Result<Vec<u8>, IoError> {
    let mut refused = None;
    for found in core.resolve(&address.host, address.port).await? {
        match core.connect(found).await {
            Ok(socket) => return transfer(&socket, path).await,
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or(IoError {
        operation: "resolve",
        subject: address.host.clone(),
        kind: reactor::IoErrorKind::NotFound,
        detail: "the name has no address".to_owned(),
    }))
}

/// Sends the request and takes what comes until the end.
async fn transfer(socket: &Socket, path: &str) -> Result<Vec<u8>, IoError> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: forebay\r\nConnection: close\r\n\r\n");
    socket.write(&[Bytes::from(request.into_bytes())]).await?;
    let pool = Pool::new(FIRST_BYTES);
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES_MAX {
        let mut buffer: Buffer = pool.take(FIRST_BYTES).await;
        let read = socket.read(&mut buffer, FIRST_BYTES).await?;
        if read == 0 {
            break;
        }
        answer.extend_from_slice(buffer.as_slice());
    }
    socket.close();
    Ok(answer)
}

fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body) = response.parse(answer).ok()? else {
        return None;
    };
    let body = answer.get(body..)?;
    Some((response.code?, body.to_vec()))
}

fn read((code, body): &(u16, Vec<u8>)) -> Result<Answered, Failure> {
    let page: Option<Value> = serde_json::from_slice(body).ok();
    let said = |name: &str| {
        let text = page.as_ref().and_then(|page| page.get(name)?.as_str());
        text.map_or_else(
            || String::from_utf8_lossy(body).trim().to_owned(),
            ToOwned::to_owned,
        )
    };
    match (code, &page) {
        (200, Some(page)) => Ok(Answered::Page(page.clone())),
        (404, _) => Ok(Answered::Missing(said("message"))),
        _ => Err(Failure::new(
            Kind::Refused,
            format!("the admin port answers with code {code}"),
            said("message"),
            "try again when the node has started; see its log",
        )),
    }
}
