//! What clients measure of themselves: who is asked for what, and what they pushed (KIP-714).
//!
//! Lives on core 0, whichever core a client is connected to, so that its pace is kept across
//! connections. Invariants: at most `INSTANCES_MAX` clients and `SERIES_MAX` values are kept, the
//! clients not heard of for longest go first; a client that pushes faster than it was told is
//! refused.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Bound;
use std::time::Duration;

use base::{CoreId, Random, Uuid};
use config::{ClientTraits, PUSH_INTERVAL_MS_DEFAULT, Subscription};
use metadata::{Image, Resource, ResourceKind};

use crate::broker::Broker;
use crate::hosted::Unavailable;
use crate::otlp::{Point, PointKind};

/// The most clients that are remembered.
const INSTANCES_MAX: usize = 4096;
/// The most values that are kept of all clients.
const SERIES_MAX: usize = 100_000;
/// Asks for everything a client can measure.
const ALL: &str = "*";

/// What a client is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The client's id for its metrics.
    pub instance_id: Uuid,
    /// Names what follows; a push under another name is of an older demand.
    pub subscription_id: i32,
    /// Prefixes of names of metrics; none asks for nothing.
    pub metrics: Vec<String>,
    /// How often.
    pub interval_ms: i32,
}

/// Why a client is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelemetryRefusal {
    /// It asked or pushed before its time.
    TooSoon,
    /// It said that it ends, and went on.
    Terminating,
    /// It pushes what it is not asked for any more.
    UnknownSubscription,
}

/// What one client measured of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientValues {
    /// The client's id for its metrics.
    pub instance_id: Uuid,
    /// Who it is.
    pub client: ClientTraits,
    /// Its values by name.
    pub values: Vec<ClientValue>,
}

/// One value of one client, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientValue {
    /// The metric's name and what it is about.
    pub name: String,
    /// What it is about.
    pub attributes: BTreeMap<String, String>,
    /// The value; sums since the client was first heard of.
    pub value: f64,
    /// Whether it only grows.
    pub is_counter: bool,
}

type Series = (String, BTreeMap<String, String>);

struct Instance {
    client: ClientTraits,
    subscription_id: i32,
    interval: Duration,
    asked_at: Option<Duration>,
    pushed_at: Option<Duration>,
    /// It pushed under an old name and may ask anew at once.
    may_ask: bool,
    is_terminating: bool,
    values: BTreeMap<Series, (f64, bool)>,
}

impl Instance {
    fn heard_at(&self) -> Duration {
        self.asked_at.max(self.pushed_at).unwrap_or_default()
    }

    fn may_ask_at(&self, now: Duration) -> bool {
        let heard = self.asked_at.max(self.pushed_at);
        let is_due = heard.is_none_or(|heard| now.saturating_sub(heard) >= self.interval);
        is_due || self.may_ask
    }

    /// The first push after a question may come at any time, since clients spread their pushes.
    fn may_push_at(&self, now: Duration) -> bool {
        match (self.asked_at, self.pushed_at) {
            (_, None) => true,
            (Some(asked), Some(pushed)) if asked > pushed => true,
            (_, Some(pushed)) => now.saturating_sub(pushed) >= self.interval,
        }
    }
}

/// All clients that measure themselves.
#[derive(Default)]
pub(crate) struct ClientMetrics {
    instances: RefCell<BTreeMap<Uuid, Instance>>,
}

/// What the subscriptions of `image` ask of a client.
fn demand(image: &Image, instance_id: Uuid, client: &ClientTraits) -> Demand {
    let mut metrics = BTreeSet::new();
    let mut interval_ms = PUSH_INTERVAL_MS_DEFAULT;
    for name in image.configured(ResourceKind::ClientMetrics) {
        let resource = Resource {
            kind: ResourceKind::ClientMetrics,
            name: name.to_owned(),
        };
        // What was refused when it was set is not there; an older release may have known less.
        let Ok(subscription) = Subscription::new(image.configs(&resource)) else {
            continue;
        };
        if subscription.is_for(client) {
            metrics.extend(subscription.metrics.iter().cloned());
            interval_ms = interval_ms.min(subscription.interval_ms);
        }
    }
    if metrics.contains(ALL) {
        metrics = BTreeSet::from([ALL.to_owned()]);
    }
    let metrics: Vec<String> = metrics.into_iter().collect();
    Demand {
        instance_id,
        subscription_id: subscription_id(instance_id, &metrics, interval_ms),
        metrics,
        interval_ms,
    }
}

/// A name for a demand: the same demand of the same client has the same name on every broker.
fn subscription_id(instance_id: Uuid, metrics: &[String], interval_ms: i32) -> i32 {
    // FNV-1a, 32 bits.
    let mut hash = 0x811C_9DC5_u32;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    mix(&instance_id.0.to_be_bytes());
    mix(&interval_ms.to_be_bytes());
    for metric in metrics {
        mix(metric.as_bytes());
        mix(&[0]);
    }
    hash.cast_signed()
}

impl ClientMetrics {
    /// Notes that a client asks what is wanted of it.
    fn ask(
        &self,
        demand: &Demand,
        client: ClientTraits,
        now: Duration,
    ) -> Result<(), TelemetryRefusal> {
        let mut instances = self.instances.borrow_mut();
        let instance = find(&mut instances, demand, client);
        if !instance.may_ask_at(now) {
            return Err(TelemetryRefusal::TooSoon);
        }
        instance.asked_at = Some(now);
        instance.may_ask = false;
        follow(instance, demand);
        Ok(())
    }

    /// Notes that a client pushes, before its bytes are looked at.
    fn begin_push(
        &self,
        demand: &Demand,
        client: ClientTraits,
        named: i32,
        is_last: bool,
        now: Duration,
    ) -> Result<(), TelemetryRefusal> {
        let mut instances = self.instances.borrow_mut();
        let instance = find(&mut instances, demand, client);
        if instance.is_terminating {
            return Err(TelemetryRefusal::Terminating);
        }
        if !instance.may_push_at(now) && !is_last {
            return Err(TelemetryRefusal::TooSoon);
        }
        instance.pushed_at = Some(now);
        follow(instance, demand);
        if named != demand.subscription_id {
            instance.may_ask = true;
            return Err(TelemetryRefusal::UnknownSubscription);
        }
        instance.is_terminating = is_last;
        Ok(())
    }

    fn allow_asking(&self, id: Uuid) {
        if let Some(instance) = self.instances.borrow_mut().get_mut(&id) {
            instance.may_ask = true;
        }
    }

    /// Takes in what a client pushed.
    fn take(&self, id: Uuid, points: Vec<Point>) {
        let mut instances = self.instances.borrow_mut();
        let kept: usize = instances.values().map(|one| one.values.len()).sum();
        let mut room = SERIES_MAX.saturating_sub(kept);
        let Some(instance) = instances.get_mut(&id) else {
            return;
        };
        for point in points {
            let series = (point.name, point.attributes);
            let is_counter = point.kind != PointKind::Gauge;
            match instance.values.get_mut(&series) {
                Some((value, _)) if point.kind == PointKind::Delta => *value += point.value,
                Some((value, _)) => *value = point.value,
                None if room > 0 => {
                    room -= 1;
                    instance.values.insert(series, (point.value, is_counter));
                }
                None => {}
            }
        }
    }

    /// What the first client behind `after` pushed, in the order of their ids.
    fn values(&self, after: Option<Uuid>) -> Option<ClientValues> {
        let instances = self.instances.borrow();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (id, instance) = instances.range((from, Bound::Unbounded)).next()?;
        let values = instance.values.iter();
        let values = values.map(|((name, attributes), (value, is_counter))| ClientValue {
            name: name.clone(),
            attributes: attributes.clone(),
            value: *value,
            is_counter: *is_counter,
        });
        Some(ClientValues {
            instance_id: *id,
            client: instance.client.clone(),
            values: values.collect(),
        })
    }
}

/// The client, remembered from now on; the one not heard of for longest makes room.
fn find<'a>(
    instances: &'a mut BTreeMap<Uuid, Instance>,
    demand: &Demand,
    client: ClientTraits,
) -> &'a mut Instance {
    let id = demand.instance_id;
    if instances.len() >= INSTANCES_MAX && !instances.contains_key(&id) {
        let oldest = instances.iter().min_by_key(|(_, one)| one.heard_at());
        if let Some(oldest) = oldest.map(|(id, _)| *id) {
            instances.remove(&oldest);
        }
    }
    let instance = instances.entry(id).or_insert_with(|| Instance {
        client: ClientTraits::default(),
        subscription_id: demand.subscription_id,
        interval: Duration::ZERO,
        asked_at: None,
        pushed_at: None,
        may_ask: false,
        is_terminating: false,
        values: BTreeMap::new(),
    });
    instance.client = client;
    instance
}

/// What is not asked for any more is not shown any more.
fn follow(instance: &mut Instance, demand: &Demand) {
    instance.interval = Duration::from_millis(u64::try_from(demand.interval_ms).unwrap_or(0));
    if instance.subscription_id != demand.subscription_id {
        instance.subscription_id = demand.subscription_id;
        instance.values.clear();
    }
}

impl Broker {
    /// What this client shall push; one without an id gets one.
    ///
    /// # Errors
    /// When it asks before its time; the outer one when the node stops.
    pub fn client_demand(
        &self,
        instance_id: Uuid,
        client: ClientTraits,
    ) -> impl Future<Output = Result<Result<Demand, TelemetryRefusal>, Unavailable>> + use<> {
        self.on_core(CoreId(0), move |broker| {
            let id = if instance_id.is_zero() {
                Uuid::random(&mut Random::new(broker.core().entropy()))
            } else {
                instance_id
            };
            let traits = with_id(client, id);
            let demand = demand(&broker.image(), id, &traits);
            let now = broker.core().now();
            let asked = broker.shared.client_metrics.ask(&demand, traits, now);
            std::future::ready(asked.map(|()| demand))
        })
    }

    /// Whether this client may push under this name now; its pace is noted either way.
    ///
    /// # Errors
    /// Why it may not; the outer one when the node stops.
    pub fn begin_client_push(
        &self,
        instance_id: Uuid,
        client: ClientTraits,
        subscription_id: i32,
        is_last: bool,
    ) -> impl Future<Output = Result<Result<(), TelemetryRefusal>, Unavailable>> + use<> {
        self.on_core(CoreId(0), move |broker| {
            let traits = with_id(client, instance_id);
            let demand = demand(&broker.image(), instance_id, &traits);
            let now = broker.core().now();
            let metrics = &broker.shared.client_metrics;
            let begun = metrics.begin_push(&demand, traits, subscription_id, is_last, now);
            std::future::ready(begun)
        })
    }

    /// Lets a client whose push could not be followed ask at once what to do.
    ///
    /// # Errors
    /// When the node stops.
    pub fn allow_client_question(
        &self,
        instance_id: Uuid,
    ) -> impl Future<Output = Result<(), Unavailable>> + use<> {
        self.on_core(CoreId(0), move |broker| {
            broker.shared.client_metrics.allow_asking(instance_id);
            std::future::ready(())
        })
    }

    /// Keeps what a client pushed.
    pub fn take_client_metrics(
        &self,
        instance_id: Uuid,
        points: Vec<Point>,
    ) -> impl Future<Output = Result<(), Unavailable>> + use<> {
        self.on_core(CoreId(0), move |broker| {
            broker.shared.client_metrics.take(instance_id, points);
            std::future::ready(())
        })
    }

    /// What the first client behind `after` pushed to this node and is still asked for; nothing
    /// behind the last one. Client by client, so that many of them do not hold up their core.
    pub async fn client_values(&self, after: Option<Uuid>) -> Option<ClientValues> {
        let asked = self.on_core(CoreId(0), move |broker| {
            std::future::ready(broker.shared.client_metrics.values(after))
        });
        asked.await.ok().flatten()
    }
}

fn with_id(client: ClientTraits, id: Uuid) -> ClientTraits {
    ClientTraits {
        client_instance_id: id.to_string(),
        ..client
    }
}

#[cfg(test)]
#[path = "client_metrics_tests.rs"]
mod tests;
