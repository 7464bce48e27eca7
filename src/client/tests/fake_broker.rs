//! A broker of a few lines: it frames, decodes headers, and lets the test decide what to answer.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reactor::sim::{NodeOptions, World};
use reactor::{Buffer, Bytes, Core, Socket};
use wire::api_versions::{ApiVersion, ApiVersionsResponse};
use wire::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use wire::{ApiKey, Message, Reader, decode_request_header, encode_response};

/// Every test here ends long before this.
const LIMIT: Duration = Duration::from_secs(600);
const PORT: u16 = 9092;

/// What the broker does about a request.
pub(super) enum Answer {
    /// Sends a response at a version, usually the request's.
    Send(Box<dyn Message>, i16),
    /// Says nothing.
    Silence,
    /// Ends the connection.
    Cut,
}

/// A request as the test sees it.
pub(super) struct Asked {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) body: Vec<u8>,
}

pub(super) fn broker_address() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), PORT)
}

/// Runs `client` on one machine while a broker that answers by `script` runs on another.
pub(super) fn against<T, F>(
    seed: u64,
    script: impl FnMut(&Asked) -> Answer + Clone + 'static,
    client: impl FnOnce(Core) -> F,
) -> T
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let mut world = World::new(seed);
    let broker = world.add_node(NodeOptions::numbered(1));
    let user = world.add_node(NodeOptions::numbered(2));
    world.start(broker, 1, |core| serve(core, script.clone()));
    let result = world.run_process(user, LIMIT, client);
    result.unwrap_or_else(|| panic!("the client hung; seed {seed}"))
}

async fn serve(core: Core, script: impl FnMut(&Asked) -> Answer + Clone + 'static) {
    let listener = core.listen(broker_address()).await.unwrap();
    while let Ok(socket) = listener.accept().await {
        core.spawn(converse(core.clone(), socket, script.clone()));
    }
}

async fn converse(core: Core, socket: Socket, mut script: impl FnMut(&Asked) -> Answer) {
    let mut buffer = core.frames().take(1 << 20).await;
    let mut start = 0;
    loop {
        while let Some((asked, correlation_id, end)) = next_request(&buffer, start) {
            start = end;
            match script(&asked) {
                Answer::Send(response, version) => {
                    let frame =
                        encode_response(correlation_id, asked.key, version, &*response).unwrap();
                    // In two pieces, since answers need not arrive whole.
                    let bytes = Bytes::from(frame.into_bytes().unwrap());
                    let middle = bytes.len() / 2;
                    let head = bytes.slice(0..middle);
                    let tail = bytes.slice(middle..bytes.len());
                    if socket.write(&[head]).await.is_err() {
                        return;
                    }
                    core.sleep(Duration::from_millis(1)).await;
                    if socket.write(&[tail]).await.is_err() {
                        return;
                    }
                }
                Answer::Silence => {}
                Answer::Cut => return socket.close(),
            }
        }
        let spare = buffer.spare_len();
        match socket.read(&mut buffer, spare).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn next_request(buffer: &Buffer, start: usize) -> Option<(Asked, i32, usize)> {
    let unread = &buffer.as_slice()[start..];
    let length = usize::try_from(i32::from_be_bytes(*unread.first_chunk::<4>()?)).unwrap();
    let frame = unread.get(4..4 + length)?;
    let mut reader = Reader::new(frame);
    let (key, header) = decode_request_header(&mut reader).unwrap();
    let version = header.request_api_version;
    let body = reader.rest().to_vec();
    Some((
        Asked { key, version, body },
        header.correlation_id,
        start + 4 + length,
    ))
}

/// A broker that serves these APIs up to these versions.
pub(super) fn versions(served: &[(ApiKey, i16)], error_code: i16) -> ApiVersionsResponse<'static> {
    ApiVersionsResponse {
        error_code,
        api_keys: served
            .iter()
            .map(|(key, max_version)| ApiVersion {
                api_key: key.code(),
                min_version: 0,
                max_version: *max_version,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    }
}

/// One broker, one topic with one partition.
pub(super) fn metadata(topic: &'static str) -> MetadataResponse<'static> {
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: 1,
            host: "10.0.0.1".into(),
            port: i32::from(PORT),
            ..MetadataResponseBroker::default()
        }],
        controller_id: 1,
        topics: vec![MetadataResponseTopic {
            name: Some(topic.into()),
            partitions: vec![MetadataResponsePartition {
                leader_id: 1,
                replica_nodes: vec![1],
                isr_nodes: vec![1],
                ..MetadataResponsePartition::default()
            }],
            ..MetadataResponseTopic::default()
        }],
        ..MetadataResponse::default()
    }
}
