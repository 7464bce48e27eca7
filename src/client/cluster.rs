//! A cluster from the outside: connections to its brokers, and what it says about its topics.
//!
//! Lifecycle: the first connection goes to one of the addresses given; its answer to a metadata
//! request names all brokers; a connection to each is made when something must go there, and made
//! again after it failed.
//!
//! Invariant: at most one connection per broker lives at a time, beside the one to a given address.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, NodeId, PartitionIndex};
use reactor::{Core, IoError, IoErrorKind};
use wire::Request;
use wire::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};

use crate::address::Address;
use crate::connection::{Answer, Connection};
use crate::error::ClientError;
use crate::image::{Broker, Image, Leader, Topic};
use crate::options::Options;

/// A client of one cluster. Cheap to clone; clones share connections and what is known.
#[derive(Clone)]
pub struct Client {
    inner: Rc<Inner>,
}

struct Inner {
    core: Core,
    options: Options,
    bootstrap: Vec<Address>,
    /// The connection to one of the given addresses.
    first: RefCell<Option<Connection>>,
    by_node: RefCell<BTreeMap<NodeId, Connection>>,
    image: RefCell<Image>,
}

impl Client {
    /// Connects to the first of `bootstrap` that answers.
    ///
    /// # Errors
    /// What the last address said, when none answers.
    pub async fn connect(
        core: &Core,
        bootstrap: &[Address],
        options: Options,
    ) -> Result<Self, ClientError> {
        let inner = Inner {
            core: core.clone(),
            options,
            bootstrap: bootstrap.to_vec(),
            first: RefCell::default(),
            by_node: RefCell::default(),
            image: RefCell::default(),
        };
        let client = Self {
            inner: Rc::new(inner),
        };
        client.any().await?;
        Ok(client)
    }

    /// The core that this client runs on.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.inner.core
    }

    /// How this client behaves.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// What is known of the cluster now.
    #[must_use]
    pub fn image(&self) -> Ref<'_, Image> {
        self.inner.image.borrow()
    }

    /// A connection to any broker, for questions that all of them can answer.
    ///
    /// # Errors
    /// What the last broker said, when none answers.
    pub async fn any(&self) -> Result<Connection, ClientError> {
        if let Some(open) = self.open_connection() {
            return Ok(open);
        }
        let mut candidates = self.inner.bootstrap.clone();
        candidates.extend(self.advertised());
        let mut last = None;
        for address in candidates {
            match self.open(&address).await {
                Ok(connection) => {
                    *self.inner.first.borrow_mut() = Some(connection.clone());
                    return Ok(connection);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| no_leader("the cluster", None)))
    }

    /// A connection to the broker with this id.
    ///
    /// # Errors
    /// When its address is unknown or nobody answers there.
    pub async fn broker(&self, node: NodeId) -> Result<Connection, ClientError> {
        let open = self.inner.by_node.borrow().get(&node).cloned();
        if let Some(open) = open.filter(|open| !open.is_closed()) {
            return Ok(open);
        }
        let known = self.image().brokers.get(&node).cloned();
        let Some(broker) = known else {
            return Err(no_leader(&format!("node {node}"), Some(node)));
        };
        let address = Address {
            host: broker.host,
            port: broker.port,
        };
        let connection = self.open(&address).await?;
        // Another task may have connected meanwhile; the one already in use stays.
        let mut by_node = self.inner.by_node.borrow_mut();
        if let Some(other) = by_node.get(&node).filter(|other| !other.is_closed()) {
            return Ok(other.clone());
        }
        by_node.insert(node, connection.clone());
        Ok(connection)
    }

    /// A connection to a broker that another one has named.
    pub(crate) async fn broker_at(&self, broker: Broker) -> Result<Connection, ClientError> {
        let node = broker.node;
        self.inner
            .image
            .borrow_mut()
            .brokers
            .entry(node)
            .or_insert(broker);
        self.broker(node).await
    }

    /// The broker that administrators' requests go to.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn controller(&self) -> Result<Connection, ClientError> {
        if self.image().brokers.is_empty() {
            self.refresh(Some(&[]), false).await?;
        }
        let node = self.image().controller;
        if self.image().brokers.contains_key(&node) {
            self.broker(node).await
        } else {
            self.any().await
        }
    }

    /// Asks about topics, or about all of them, and keeps the answer. Brokers may be allowed to
    /// create those that are missing.
    ///
    /// # Errors
    /// When no broker answers; an error of a single topic is kept with the topic.
    pub async fn refresh(
        &self,
        topics: Option<&[&str]>,
        may_create: bool,
    ) -> Result<(), ClientError> {
        let connection = self.any().await?;
        let version = connection.version(MetadataRequest::KEY)?;
        let named = |name: &&str| MetadataRequestTopic {
            name: Some((*name).to_owned().into()),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: match topics {
                Some(names) => Some(names.iter().map(named).collect()),
                // At version 0 an empty list asks for all; there null does not exist.
                None if version == 0 => Some(Vec::new()),
                None => None,
            },
            // Before version 4 brokers decide alone, and the field must hold its default.
            allow_auto_topic_creation: may_create || version < 4,
            ..MetadataRequest::default()
        };
        let answer = connection
            .call(&request, self.options().request_timeout)
            .await?;
        let response: MetadataResponse<'_> = answer.decode()?;
        let mut image = self.inner.image.borrow_mut();
        if topics.is_none() {
            image.topics.clear();
        }
        image.apply(&response);
        Ok(())
    }

    /// The topic as it is known, or as the cluster describes it now.
    ///
    /// # Errors
    /// `NotFound` when the cluster has no such topic; otherwise as [`Client::refresh`].
    pub async fn topic(&self, name: &str, may_create: bool) -> Result<Topic, ClientError> {
        let known = self.image().topics.get(name).cloned();
        if let Some(topic) = known.filter(|topic| topic.error == ErrorCode::None) {
            return Ok(topic);
        }
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            self.refresh(Some(&[name]), may_create).await?;
            let asked = self.image().topics.get(name).cloned();
            let Some(topic) = asked else {
                return Err(ClientError::NotFound {
                    subject: format!("topic {name}"),
                });
            };
            match topic.error {
                ErrorCode::None => return Ok(topic),
                ErrorCode::UnknownTopicOrPartition if !may_create => {
                    return Err(ClientError::NotFound {
                        subject: format!("topic {name}"),
                    });
                }
                code => {
                    // A topic that is being created has no leader for a moment.
                    let passes = crate::error::is_retriable(code);
                    if !passes || self.core().now() >= give_up {
                        let subject = format!("topic {name}");
                        return Err(ClientError::Refused {
                            subject,
                            code,
                            message: None,
                        });
                    }
                    self.core().sleep(self.options().retry_pause).await;
                }
            }
        }
    }

    /// Where to send requests for a partition.
    ///
    /// # Errors
    /// `NotFound` and `NoLeader`; otherwise as [`Client::refresh`].
    pub async fn leader(
        &self,
        topic: &str,
        partition: PartitionIndex,
    ) -> Result<Leader, ClientError> {
        if let Some(leader) = self.image().leader(topic, partition) {
            return Ok(leader);
        }
        self.refresh(Some(&[topic]), false).await?;
        if let Some(leader) = self.image().leader(topic, partition) {
            return Ok(leader);
        }
        let subject = format!("partition {topic}-{partition}");
        let image = self.image();
        let exists = image
            .topics
            .get(topic)
            .is_some_and(|topic| topic.partitions.contains_key(&partition));
        Err(if exists {
            no_leader(&subject, None)
        } else {
            ClientError::NotFound { subject }
        })
    }

    /// Drops what is known of a topic, so that its leaders are asked for anew.
    pub fn forget(&self, topic: &str) {
        self.inner.image.borrow_mut().topics.remove(topic);
    }

    /// Sends one request to any broker, again while its failures may pass.
    ///
    /// # Errors
    /// The last failure.
    pub async fn ask_any<R: Request>(
        &self,
        request: &R,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            let asked = async {
                let connection = self.any().await?;
                connection
                    .call(request, self.options().request_timeout + wait)
                    .await
            };
            match asked.await {
                Err(error) if error.is_retriable() && self.core().now() < give_up => {
                    self.core().sleep(self.options().retry_pause).await;
                }
                done => return done,
            }
        }
    }

    fn open_connection(&self) -> Option<Connection> {
        let first = self.inner.first.borrow();
        let by_node = self.inner.by_node.borrow();
        let mut all = first.iter().chain(by_node.values());
        all.find(|connection| !connection.is_closed()).cloned()
    }

    fn advertised(&self) -> Vec<Address> {
        let image = self.image();
        let address = |broker: &Broker| Address {
            host: broker.host.clone(),
            port: broker.port,
        };
        image.brokers.values().map(address).collect()
    }

    /// Connects to the first of the host's addresses that answers.
    async fn open(&self, address: &Address) -> Result<Connection, ClientError> {
        let peer = address.to_string();
        let unreachable = |source: IoError| ClientError::Unreachable {
            peer: peer.clone(),
            source,
        };
        let resolved = self.core().resolve(&address.host, address.port).await;
        let mut last = None;
        for place in resolved.map_err(unreachable)? {
            match Connection::open(self.core(), place, &peer, self.options()).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            unreachable(IoError::new(
                "resolve",
                &peer,
                IoErrorKind::NotFound,
                "no address",
            ))
        }))
    }
}

fn no_leader(subject: &str, node: Option<NodeId>) -> ClientError {
    ClientError::NoLeader {
        subject: subject.to_owned(),
        node,
    }
}
