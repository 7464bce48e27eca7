//! `forebay acl`: who may do what, shown, added and taken out.
//!
//! Invariant: nothing is taken out that was not selected by at least one word of the person at the
//! terminal.

use std::process::ExitCode;

use access::{CLUSTER_NAME, Operation, PatternMatch, PatternType, Permission, ResourceType};
use clap::{Args, Subcommand, ValueEnum};
use client::{AclEntry, AclQuery, Client};
use serde_json::json;

use super::failure::Failure;
use super::output;
use super::session::{Cluster, with_client};
use super::table::Table;

/// Show, add and remove access control lists
///
/// The brokers go by them where authorizer.class.name is set.
#[derive(Args, Debug)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show lists, all or some
    List(Selection),
    /// Allow operations on a resource, or deny them
    Add(Add),
    /// Take lists out
    Remove {
        #[command(flatten)]
        selection: Selection,
        /// All of them
        #[arg(long, required_unless_present = "selected")]
        all: bool,
        /// Only show what would be taken out
        #[arg(long)]
        dry_run: bool,
    },
}

/// A resource, or several by the beginning of their names.
#[derive(Args, Clone, Debug)]
struct ResourceArgs {
    /// A topic; * is all of them
    #[arg(long, short = 't', group = "resource", group = "selected")]
    topic: Option<String>,
    /// A group; * is all of them
    #[arg(long, group = "resource", group = "selected")]
    group: Option<String>,
    /// The cluster
    #[arg(long, group = "resource", group = "selected")]
    cluster: bool,
    /// A transactional id; * is all of them
    #[arg(long, group = "resource", group = "selected")]
    transactional_id: Option<String>,
    /// A delegation token; * is all of them
    #[arg(long, group = "resource", group = "selected")]
    delegation_token: Option<String>,
    /// A user, as in User:name; * is all of them
    #[arg(long, group = "resource", group = "selected")]
    user: Option<String>,
}

impl ResourceArgs {
    /// The type and the name that were given.
    fn named(&self) -> Option<(ResourceType, &str)> {
        let cluster = self.cluster.then_some(CLUSTER_NAME);
        let given = [
            (ResourceType::Topic, self.topic.as_deref()),
            (ResourceType::Group, self.group.as_deref()),
            (ResourceType::Cluster, cluster),
            (
                ResourceType::TransactionalId,
                self.transactional_id.as_deref(),
            ),
            (
                ResourceType::DelegationToken,
                self.delegation_token.as_deref(),
            ),
            (ResourceType::User, self.user.as_deref()),
        ];
        let mut given = given.into_iter();
        given.find_map(|(resource_type, name)| Some((resource_type, name?)))
    }
}

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("resource").required(true))]
struct Add {
    #[command(flatten)]
    resource: ResourceArgs,
    /// The name is the beginning of names
    #[arg(long)]
    prefixed: bool,
    /// To whom, as in User:alice; User:* is everybody
    #[arg(long, required = true, value_parser = principal)]
    principal: Vec<String>,
    /// What, such as read, write, describe, all
    #[arg(long, required = true, value_delimiter = ',', value_parser = operation)]
    operation: Vec<Operation>,
    /// From which address
    #[arg(long, default_value = "*")]
    host: Vec<String>,
    /// Deny instead of allowing
    #[arg(long)]
    deny: bool,
}

/// How the name of a selection is compared.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compared {
    /// With patterns of this name
    Any,
    /// As the name of a resource, with all patterns that apply to it
    Match,
    /// With literal patterns of this name
    Literal,
    /// With prefixes of this name
    Prefixed,
}

#[derive(Args, Clone, Debug)]
struct Selection {
    #[command(flatten)]
    resource: ResourceArgs,
    /// How the name is compared
    #[arg(long, value_enum, default_value = "any")]
    pattern: Compared,
    /// Those of this principal
    #[arg(long, value_parser = principal, group = "selected")]
    principal: Option<String>,
    /// Those of this operation
    #[arg(long, value_parser = operation, group = "selected")]
    operation: Option<Operation>,
    /// Those of this host
    #[arg(long, group = "selected")]
    host: Option<String>,
    /// Those that deny
    #[arg(long, group = "selected", conflicts_with = "allow")]
    deny: bool,
    /// Those that allow
    #[arg(long, group = "selected")]
    allow: bool,
}

fn principal(text: &str) -> Result<String, String> {
    if access::is_principal(text) {
        return Ok(text.to_owned());
    }
    Err(format!("write type:name, such as User:{text}"))
}

fn operation(text: &str) -> Result<Operation, String> {
    let name = text.to_ascii_uppercase().replace('-', "_");
    let mut all = Operation::ALL.iter().copied();
    all.find(|operation| operation.name() == name)
        .ok_or_else(|| {
            let names = Operation::ALL
                .iter()
                .map(|operation| operation.name().to_lowercase());
            format!("there are {}", names.collect::<Vec<_>>().join(", "))
        })
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let (command, json) = (options.command.clone(), cluster.json);
    with_client(cluster, move |client| {
        let command = command.clone();
        async move {
            match command {
                Command::List(selection) => {
                    let found = client.describe_acls(&selection.query()).await;
                    let failed = |error| Failure::during("cannot show the lists", &error);
                    show(&found.map_err(failed)?, json)
                }
                Command::Add(add) => {
                    let acls = add.entries();
                    let added = client.create_acls(&acls).await;
                    added.map_err(|error| Failure::during("cannot add the lists", &error))?;
                    show(&acls, json)
                }
                Command::Remove {
                    selection, dry_run, ..
                } => remove(&client, &selection.query(), dry_run, json).await,
            }
        }
    })
}

async fn remove(
    client: &Client,
    query: &AclQuery,
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    let found = if dry_run {
        client.describe_acls(query).await
    } else {
        client.delete_acls(query).await
    };
    let found = found.map_err(|error| Failure::during("cannot take the lists out", &error))?;
    show(&found, json)
}

impl Add {
    /// A list for each principal, host and operation.
    fn entries(&self) -> Vec<AclEntry> {
        let Some((resource_type, name)) = self.resource.named() else {
            return Vec::new();
        };
        let pattern_type = if self.prefixed {
            PatternType::Prefixed
        } else {
            PatternType::Literal
        };
        let permission = if self.deny {
            Permission::Deny
        } else {
            Permission::Allow
        };
        let mut entries = Vec::new();
        for principal in &self.principal {
            for host in &self.host {
                entries.extend(self.operation.iter().map(|operation| AclEntry {
                    resource_type: resource_type.code(),
                    pattern_type: pattern_type.code(),
                    name: name.to_owned(),
                    principal: principal.clone(),
                    host: host.clone(),
                    operation: operation.code(),
                    permission: permission.code(),
                }));
            }
        }
        entries
    }
}

impl Selection {
    fn query(&self) -> AclQuery {
        let named = self.resource.named();
        let pattern = match self.pattern {
            Compared::Any => PatternMatch::Any,
            Compared::Match => PatternMatch::Match,
            Compared::Literal => PatternMatch::Only(PatternType::Literal),
            Compared::Prefixed => PatternMatch::Only(PatternType::Prefixed),
        };
        let permission = match (self.deny, self.allow) {
            (true, _) => Some(Permission::Deny),
            (false, true) => Some(Permission::Allow),
            (false, false) => None,
        };
        AclQuery {
            resource_type: named.map(|(resource_type, _)| resource_type.code()),
            pattern_type: Some(pattern.code()),
            name: named.map(|(_, name)| name.to_owned()),
            principal: self.principal.clone(),
            host: self.host.clone(),
            operation: self.operation.map(Operation::code),
            permission: permission.map(Permission::code),
        }
    }
}

/// A number's name; brokers of other releases may know more than this one does.
fn named<T>(code: i8, read: fn(i8) -> Option<T>, name: fn(T) -> &'static str) -> String {
    read(code).map_or_else(|| code.to_string(), |found| name(found).to_owned())
}

fn show(acls: &[AclEntry], json: bool) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "RESOURCE",
        "NAME",
        "PATTERN",
        "PRINCIPAL",
        "HOST",
        "OPERATION",
        "PERMISSION",
    ]);
    for acl in acls {
        let resource = named(
            acl.resource_type,
            ResourceType::from_code,
            ResourceType::name,
        );
        let pattern = named(acl.pattern_type, PatternType::from_code, PatternType::name);
        let operation = named(acl.operation, Operation::from_code, Operation::name);
        let permission = named(acl.permission, Permission::from_code, Permission::name);
        if json {
            output::json(&json!({
                "resource_type": resource,
                "name": acl.name,
                "pattern_type": pattern,
                "principal": acl.principal,
                "host": acl.host,
                "operation": operation,
                "permission": permission,
            }))?;
            continue;
        }
        table.row([
            resource,
            acl.name.clone(),
            pattern,
            acl.principal.clone(),
            acl.host.clone(),
            operation,
            permission,
        ]);
    }
    if !json {
        output::print(table.render().as_bytes())?;
    }
    Ok(())
}
