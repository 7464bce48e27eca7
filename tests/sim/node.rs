//! A whole node as a process of a simulated machine: what `forebay serve` does with real cores.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::CoreId;
use broker::{Broker, Node, NodeError, NodePlan};
use config::{BrokerConfig, Inputs};
use reactor::{Core, First, first, sim};
use server::{Server, ServerLimits, Shared};
use storage::{JournalLimits, Planted};

/// The port that every node serves clients on.
pub(crate) const PORT: u16 = 9092;
/// Requests in flight get this long to be answered in an orderly stop.
const STOP_GRACE: Duration = Duration::from_millis(300);

/// What every start of a node is given.
#[derive(Clone)]
pub(crate) struct Setup {
    /// How many cores it has.
    pub(crate) cores: u16,
    /// Its `log.dirs`.
    pub(crate) log_dirs: &'static str,
    /// Further settings, as `key=value`.
    pub(crate) settings: Vec<String>,
    /// The bug to run with.
    pub(crate) planted: Planted,
}

/// What the cores of one process tell each other and the test.
#[derive(Default)]
pub(crate) struct Process {
    /// Set by the test to stop the process in order.
    pub(crate) stopping: Cell<bool>,
    /// How many cores serve.
    pub(crate) serving: Cell<u16>,
    /// How many cores have closed their listeners.
    closed: Cell<u16>,
    /// Set when the process has stopped in order.
    pub(crate) stopped: Cell<bool>,
}

/// Starts a process on `node`. Where it gives up, `refused` is told why.
pub(crate) fn start(
    world: &sim::World,
    node: sim::Node,
    setup: &Setup,
    refused: impl Fn(&NodeError) + Clone + 'static,
) -> Rc<Process> {
    let mut overrides = vec![
        format!("log.dirs={}", setup.log_dirs),
        "node.id=1".to_owned(),
        "log.flush.offset.checkpoint.interval.ms=500".to_owned(),
    ];
    overrides.extend_from_slice(&setup.settings);
    let inputs = Inputs {
        file: None,
        environment: &[],
        overrides: &overrides,
    };
    let config = BrokerConfig::load(&inputs).expect("a valid configuration");
    let mut plan = NodePlan::new(Arc::new(config), setup.cores);
    plan.planted = setup.planted;
    let process = Rc::new(Process::default());
    let shared = Shared::default();
    world.start(node, setup.cores, |core| {
        let (plan, process) = (plan.clone(), Rc::clone(&process));
        let (shared, refused) = (shared.clone(), refused.clone());
        async move {
            if let Err(error) = live(core, plan, &process, shared).await {
                refused(&error);
            }
        }
    });
    process
}

/// In half of all lives of a core the journal takes whatever it may, and turns over all the time.
pub(crate) fn journal_limits(core: &Core) -> JournalLimits {
    let entropy = core.entropy();
    if entropy.is_multiple_of(2) {
        return JournalLimits::default();
    }
    JournalLimits {
        lanes_min: 1,
        file_bytes: (32 << 10) << (entropy / 2 % 3),
        age_max: Duration::from_millis(100 + entropy / 8 % 3_000),
        ..JournalLimits::default()
    }
}

async fn live(
    core: Core,
    mut plan: NodePlan,
    process: &Process,
    shared: Shared,
) -> Result<(), NodeError> {
    plan.journal = journal_limits(&core);
    let broker = Broker::start(&core, &plan);
    let node = if core.id() == CoreId(0) {
        Some(Node::start(&broker, &plan).await?)
    } else {
        None
    };
    // As in `forebay serve` nobody listens before core 0 does, and that one when the node has started.
    while node.is_none() && process.serving.get() == 0 {
        core.sleep(Duration::from_millis(1)).await;
    }
    let server = Server::new(broker, limits(&plan), shared, "PLAINTEXT".to_owned(), None);
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    server.start(address).await.expect("the address is free");
    process.serving.set(process.serving.get() + 1);
    while !process.stopping.get() {
        let tick = core.sleep(Duration::from_millis(1));
        match &node {
            None => tick.await,
            Some(node) => match first(node.wait_failed(), tick).await {
                First::Left(error) => return Err(error),
                First::Right(()) => {}
            },
        }
    }
    server.stop(STOP_GRACE).await;
    process.closed.set(process.closed.get() + 1);
    while process.closed.get() < plan.cores() {
        core.sleep(Duration::from_millis(1)).await;
    }
    match node {
        Some(node) => {
            node.stop().await?;
            process.stopped.set(true);
        }
        None => {
            while !process.stopped.get() {
                core.sleep(Duration::from_millis(1)).await;
            }
        }
    }
    Ok(())
}

fn limits(plan: &NodePlan) -> ServerLimits {
    let network = &plan.config.network;
    ServerLimits {
        request_bytes_max: base::usize_from_u32(network.request_bytes_max),
        in_flight_bytes_max: base::usize_from_u64(network.connection_inflight_bytes_max),
        request_timeout: Duration::from_millis(network.request_arrival_ms_max),
        idle_max: network
            .connection_idle_ms_max
            .map_or(Duration::MAX, Duration::from_millis),
        fetch_sessions_max: base::usize_from_u32(network.fetch_sessions_max),
    }
}
