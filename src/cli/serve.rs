//! `forebay serve`: the node itself, from its configuration to its orderly end.
//!
//! Lifecycle: the configuration is read and checked before any core runs; core 0 opens the data
//! directory, binds the listeners and tells the other cores where; when all of them listen, the
//! node says so. A signal to end closes the listeners, answers what is in flight, closes the logs
//! and marks the data directory clean.

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Node, NodePlan};
use clap::Args;
use config::{BrokerConfig, Inputs, Listener, LogFormat, SecurityProtocol};
use console::Admin;
use reactor::{Core, First, Mesh, Receiver, Replier, Sender, first, reply};
use server::{Server, ServerLimits, Shared};

use super::failure::{Failure, Kind};
use super::table::Table;
use super::{output, telemetry};

/// Requests in flight get this long to be answered once the node was told to end.
const STOP_GRACE: Duration = Duration::from_millis(300);

/// Run a node
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// The configuration, under Kafka's keys (server.properties)
    #[arg(long, short = 'c', value_name = "FILE", env = "FOREBAY_CONFIG")]
    config: Option<PathBuf>,
    /// Set one key, over the file and the environment; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print every key with its value and where it comes from, and end
    #[arg(long)]
    print_config: bool,
    /// How to write the node's own log
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
}

/// What core 0 tells the others.
enum Order {
    /// Listen at these addresses, one per listener of the configuration.
    Listen {
        addresses: Vec<SocketAddr>,
        done: Replier<Result<(), String>>,
    },
    /// Close the listeners; answer when requests in flight are done.
    Close { done: Replier<()> },
    /// End.
    End,
}

pub(super) fn run(options: &Options) -> ExitCode {
    match prepare(options) {
        Ok(Some(plan)) => serve(plan),
        Ok(None) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Reads the configuration; nothing when it was only to be printed.
fn prepare(options: &Options) -> Result<Option<NodePlan>, Failure> {
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let file = match &options.config {
        None => None,
        Some(path) => Some((path.display().to_string(), read_config(path)?)),
    };
    let inputs = Inputs {
        file: file
            .as_ref()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice())),
        environment: &environment,
        overrides: &options.overrides,
    };
    let config = BrokerConfig::load(&inputs).map_err(|errors| {
        Failure::new(
            Kind::Data,
            "the configuration cannot be used",
            errors.to_string(),
            "correct the keys named above; forebay config explain KEY tells what each allows",
        )
    })?;
    if options.print_config {
        print_config(&config)?;
        return Ok(None);
    }
    let json = match options.log_format.as_deref() {
        Some(format) => format == "json",
        None => config.log_format == LogFormat::Json,
    };
    telemetry::start(json);
    for warning in config.settings.warnings() {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = config.lone_quorum_warning() {
        tracing::warn!("{warning}");
    }
    let cores = match config.node.cores {
        0 => reactor::available_cores(),
        chosen => base::usize_from_u32(chosen),
    };
    let mut plan = NodePlan::new(Arc::new(config), u16::try_from(cores).unwrap_or(u16::MAX));
    #[cfg(feature = "planted")]
    super::planted::plant(&mut plan, &environment)?;
    let variable = |name: &str| environment.iter().find(|(known, _)| known == name);
    plan.cluster_id = variable("FOREBAY_CLUSTER_ID").map(|(_, id)| id.clone());
    if let Some((_, levels)) = variable("FOREBAY_FEATURES") {
        let levels = config::parse_features(levels).map_err(|error| {
            Failure::new(
                Kind::Data,
                "FOREBAY_FEATURES cannot be used",
                error.to_string(),
                "write name=level,name=level",
            )
        })?;
        plan.features = Some(levels);
    }
    Ok(Some(plan))
}

fn read_config(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    reactor::read_before_start(path).map_err(|error| {
        Failure::new(
            Kind::Data,
            "the configuration file cannot be read",
            error.to_string(),
            "name an existing file with --config, or none at all",
        )
    })
}

fn print_config(config: &BrokerConfig) -> Result<(), Failure> {
    let mut table = Table::new(&["key", "value", "from"]);
    for row in config::print_config(&config.settings) {
        table.row([row.name, row.value, row.source.to_string()]);
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

/// Says below a panic's own message what it means: the process ends there, without a word more.
fn explain_panics() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        say(what);
        eprintln!(
            "the node stops because an invariant was broken; everything acknowledged is on the \
             device, start again and report the message above"
        );
    }));
}

fn serve(plan: NodePlan) -> ExitCode {
    explain_panics();
    let cores = usize::from(plan.cores());
    let (stop, stopping) = reactor::mailbox::<()>();
    let terminated = reactor::on_terminate(move || {
        // A node that has ended by itself no longer listens for this.
        let _ = stop.send(());
    });
    if let Err(reason) = terminated {
        let failure = Failure::new(
            Kind::General,
            "the node cannot listen for signals",
            reason,
            "allow sigprocmask in the container's seccomp profile",
        );
        return failure.report();
    }
    let budget = |bytes: u64| base::usize_from_u64(bytes);
    let options = reactor::Options {
        cores,
        frames_bytes_max: budget(plan.config.network.frames_bytes_max),
        chunks_bytes_max: budget(plan.config.storage.chunks_bytes_max),
    };
    let orders: Mesh<Order> = Mesh::new(cores);
    let stop_on_core_0 = Mesh::from_receiver(stopping);
    let outcome: Mesh<Result<(), String>> = Mesh::new(1);
    let report = outcome.clone();
    // One for the process: the limit on connections holds for all cores together.
    let shared = Shared::default();
    let started = reactor::run(&options, move |core: Core| {
        let (plan, orders, shared) = (plan.clone(), orders.clone(), shared.clone());
        let (stop, report) = (stop_on_core_0.clone(), report.clone());
        async move {
            if core.id().0 == 0 {
                let stop = stop.take(core.id());
                let ended = lead(&core, &plan, &shared, &orders, stop).await;
                for sender in orders.senders() {
                    let _ = sender.send(Order::End);
                }
                report.senders().first().map(|sender| sender.send(ended));
            } else {
                follow(&core, &plan, &shared, orders.take(core.id())).await;
            }
        }
    });
    if let Err(error) = started {
        let mend = "run forebay doctor for the details";
        return Failure::new(
            Kind::General,
            "the node cannot run",
            error.to_string(),
            mend,
        )
        .report();
    }
    match outcome.take(base::CoreId(0)).try_recv() {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(reason)) => {
            let mend = "the message above says what to change";
            Failure::new(
                Kind::General,
                "the node did not run to its end",
                reason,
                mend,
            )
            .report()
        }
        None => ExitCode::FAILURE,
    }
}

/// Core 0's day.
async fn lead(
    core: &Core,
    plan: &NodePlan,
    shared: &Shared,
    orders: &Mesh<Order>,
    mut stop: Receiver<()>,
) -> Result<(), String> {
    let broker = Broker::start(core, plan);
    let node = Node::start(&broker, plan)
        .await
        .map_err(|error| error.to_string())?;
    let (servers, addresses) = listen(&broker, plan, shared, None).await?;
    let others: Vec<Sender<Order>> = orders.senders().into_iter().skip(1).collect();
    for other in &others {
        let (done, listening) = reply();
        let order = Order::Listen {
            addresses: addresses.clone(),
            done,
        };
        other.send(order).map_err(|gone| gone.to_string())?;
        listening.await.map_err(|gone| gone.to_string())??;
    }
    let (admin, admin_addresses) = Admin::start(&broker, &plan.config.admin.listeners).await;
    announce(plan, &node, &addresses, &admin_addresses);
    // Nothing means that the signal thread is gone, which ends with the process.
    match first(stop.recv(), node.wait_failed()).await {
        First::Left(_) => tracing::info!("stopping"),
        // What is acknowledged is on the devices, and nothing more can be.
        First::Right(error) => return Err(error.to_string()),
    }
    drop(admin);
    let mut closing = Vec::new();
    for other in &others {
        let (done, closed) = reply();
        if other.send(Order::Close { done }).is_ok() {
            closing.push(closed);
        }
    }
    for server in &servers {
        server.stop(STOP_GRACE).await;
    }
    for closed in closing {
        // A core that is gone has no open connection.
        let _ = closed.await;
    }
    node.stop().await.map_err(|error| error.to_string())?;
    tracing::info!("stopped in order");
    Ok(())
}

/// The day of every other core.
async fn follow(core: &Core, plan: &NodePlan, shared: &Shared, mut orders: Receiver<Order>) {
    let broker = Broker::start(core, plan);
    let mut servers = Vec::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Listen { addresses, done } => {
                match listen(&broker, plan, shared, Some(&addresses)).await {
                    Ok((started, _)) => {
                        servers = started;
                        done.send(Ok(()));
                    }
                    Err(reason) => done.send(Err(reason)),
                }
            }
            Order::Close { done } => {
                for server in &servers {
                    server.stop(STOP_GRACE).await;
                }
                done.send(());
            }
            Order::End => return,
        }
    }
}

/// Opens this core's listeners: at the configured addresses, or where core 0 has bound them.
async fn listen(
    broker: &Broker,
    plan: &NodePlan,
    shared: &Shared,
    bound: Option<&[SocketAddr]>,
) -> Result<(Vec<Server>, Vec<SocketAddr>), String> {
    let mut servers = Vec::new();
    let mut addresses = Vec::new();
    let network = &plan.config.network;
    let listeners = network
        .listeners
        .iter()
        .filter(|listener| !listener.is_controller);
    for (index, listener) in listeners.enumerate() {
        if listener.security_protocol != SecurityProtocol::Plaintext {
            return Err(format!(
                "listener {} asks for {}, which this release does not speak; use PLAINTEXT",
                listener.name,
                listener.security_protocol.name()
            ));
        }
        let address = match bound.and_then(|bound| bound.get(index)) {
            Some(address) => *address,
            None => resolve(broker.core(), listener).await?,
        };
        let advertised = network
            .advertised
            .iter()
            .find(|one| one.name == listener.name);
        let advertised = advertised.and_then(|one| {
            Some((
                one.host.clone()?,
                one.port.filter(|port| *port > 0).unwrap_or(address.port()),
            ))
        });
        let server = Server::new(
            broker.clone(),
            limits(plan),
            shared.clone(),
            listener.name.clone(),
            advertised,
        );
        let local = server.start(address).await.map_err(|error| {
            format!(
                "listener {}: {error}; another process may use the port",
                listener.name
            )
        })?;
        servers.push(server);
        addresses.push(local);
    }
    Ok((servers, addresses))
}

async fn resolve(core: &Core, listener: &Listener) -> Result<SocketAddr, String> {
    if listener.is_wildcard() {
        // One socket for both families where the machine has IPv6.
        let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), listener.port);
        let only = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), listener.port);
        return Ok(if core.has_ipv6() { both } else { only });
    }
    let found = core.resolve(&listener.host, listener.port).await;
    let found = found.map_err(|error| format!("listener {}: {error}", listener.name))?;
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| found.first());
    first
        .copied()
        .ok_or_else(|| format!("listener {}: no address", listener.name))
}

fn limits(plan: &NodePlan) -> ServerLimits {
    let network = &plan.config.network;
    let cores = usize::from(plan.cores());
    ServerLimits {
        request_bytes_max: base::usize_from_u32(network.request_bytes_max),
        in_flight_bytes_max: base::usize_from_u64(network.connection_inflight_bytes_max),
        request_timeout: Duration::from_millis(network.request_arrival_ms_max),
        idle_max: network
            .connection_idle_ms_max
            .map_or(Duration::MAX, Duration::from_millis),
        fetch_sessions_max: base::usize_from_u32(network.fetch_sessions_max).div_ceil(cores),
    }
}

/// What a person who started the node wants to know first.
fn announce(plan: &NodePlan, node: &Node, addresses: &[SocketAddr], admin: &[SocketAddr]) {
    let directory = plan.config.storage.log_dirs.join(", ");
    let listeners: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let listeners = listeners.join(", ");
    let admin: Vec<String> = admin.iter().map(|one| format!("http://{one}")).collect();
    let admin = admin.join(", ");
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cluster = node.cluster_id(),
        node = %plan.config.node.id,
        cores = plan.cores(),
        data = %directory,
        listeners = %listeners,
        admin = %admin,
        "serving"
    );
    let port = addresses.first().map_or(9092, SocketAddr::port);
    let brokers = if port == 9092 {
        String::new()
    } else {
        format!(" --brokers localhost:{port}")
    };
    let text = format!(
        "forebay {} is serving\n  data       {directory}\n  listeners  {listeners}\n  \
         admin      {}\n  cores      {}\n\n\
         try\n  forebay topic create first{brokers}\n  echo hello | forebay produce first{brokers}\n  \
         forebay consume first --offset beginning --exit{brokers}\n",
        env!("CARGO_PKG_VERSION"),
        if admin.is_empty() { "none" } else { &admin },
        plan.cores(),
    );
    if std::io::stdout().is_terminal() || plan.config.log_format == LogFormat::Text {
        // A closed standard output does not keep the node from serving.
        let _ = output::print(text.as_bytes());
    }
}
