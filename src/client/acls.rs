//! Access control lists, by the protocol's numbers: shown, added and taken out.

use wire::create_acls::{AclCreation, CreateAclsRequest, CreateAclsResponse};
use wire::delete_acls::{DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse};
use wire::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};

use crate::admin::check;
use crate::cluster::Client;
use crate::error::ClientError;

/// In a query: whatever it is.
const ANY: i8 = 1;

/// One access control list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclEntry {
    /// The type of the resources.
    pub resource_type: i8,
    /// How `name` is compared with theirs.
    pub pattern_type: i8,
    /// Their name, the beginning of it, or `*`.
    pub name: String,
    /// To whom.
    pub principal: String,
    /// From where.
    pub host: String,
    /// What.
    pub operation: i8,
    /// Allowed or denied.
    pub permission: i8,
}

/// Which access control lists are meant; what is nothing is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclQuery {
    /// Those of this type of resources.
    pub resource_type: Option<i8>,
    /// How `name` is compared.
    pub pattern_type: Option<i8>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those of this principal.
    pub principal: Option<String>,
    /// Those of this host.
    pub host: Option<String>,
    /// Those of this operation.
    pub operation: Option<i8>,
    /// Those that allow, or those that deny.
    pub permission: Option<i8>,
}

impl Client {
    /// The lists that are meant, sorted.
    ///
    /// # Errors
    /// `Refused` with the broker's reason; otherwise when no broker answers.
    pub async fn describe_acls(&self, query: &AclQuery) -> Result<Vec<AclEntry>, ClientError> {
        let request = DescribeAclsRequest {
            resource_type_filter: query.resource_type.unwrap_or(ANY),
            resource_name_filter: query.name.as_deref().map(Into::into),
            pattern_type_filter: query.pattern_type.unwrap_or(ANY),
            principal_filter: query.principal.as_deref().map(Into::into),
            host_filter: query.host.as_deref().map(Into::into),
            operation: query.operation.unwrap_or(ANY),
            permission_type: query.permission.unwrap_or(ANY),
        };
        let answer = self.administer(&request).await?;
        let response: DescribeAclsResponse<'_> = answer.decode()?;
        check(
            "access control lists",
            response.error_code,
            response.error_message.as_deref(),
        )?;
        let mut found = Vec::new();
        for resource in &response.resources {
            found.extend(resource.acls.iter().map(|acl| AclEntry {
                resource_type: resource.resource_type,
                pattern_type: resource.pattern_type,
                name: resource.resource_name.to_string(),
                principal: acl.principal.to_string(),
                host: acl.host.to_string(),
                operation: acl.operation,
                permission: acl.permission_type,
            }));
        }
        found.sort();
        Ok(found)
    }

    /// Adds lists; those that are there already stay.
    ///
    /// # Errors
    /// As [`Client::describe_acls`], with the first reason; other lists may have been added.
    pub async fn create_acls(&self, acls: &[AclEntry]) -> Result<(), ClientError> {
        let creations = acls.iter().map(|acl| AclCreation {
            resource_type: acl.resource_type,
            resource_name: acl.name.as_str().into(),
            resource_pattern_type: acl.pattern_type,
            principal: acl.principal.as_str().into(),
            host: acl.host.as_str().into(),
            operation: acl.operation,
            permission_type: acl.permission,
        });
        let request = CreateAclsRequest {
            creations: creations.collect(),
        };
        let answer = self.administer(&request).await?;
        let response: CreateAclsResponse<'_> = answer.decode()?;
        let results = response.results.iter().zip(acls);
        for (result, acl) in results {
            let subject = format!("access control list for {} on {}", acl.principal, acl.name);
            check(&subject, result.error_code, result.error_message.as_deref())?;
        }
        Ok(())
    }

    /// Takes out the lists that are meant, and gives them back, sorted.
    ///
    /// # Errors
    /// As [`Client::describe_acls`].
    pub async fn delete_acls(&self, query: &AclQuery) -> Result<Vec<AclEntry>, ClientError> {
        let filter = DeleteAclsFilter {
            resource_type_filter: query.resource_type.unwrap_or(ANY),
            resource_name_filter: query.name.as_deref().map(Into::into),
            pattern_type_filter: query.pattern_type.unwrap_or(ANY),
            principal_filter: query.principal.as_deref().map(Into::into),
            host_filter: query.host.as_deref().map(Into::into),
            operation: query.operation.unwrap_or(ANY),
            permission_type: query.permission.unwrap_or(ANY),
        };
        let request = DeleteAclsRequest {
            filters: vec![filter],
        };
        let answer = self.administer(&request).await?;
        let response: DeleteAclsResponse<'_> = answer.decode()?;
        let mut deleted = Vec::new();
        for result in &response.filter_results {
            let message = result.error_message.as_deref();
            check("access control lists", result.error_code, message)?;
            for acl in &result.matching_acls {
                check(
                    &acl.resource_name,
                    acl.error_code,
                    acl.error_message.as_deref(),
                )?;
                deleted.push(AclEntry {
                    resource_type: acl.resource_type,
                    pattern_type: acl.pattern_type,
                    name: acl.resource_name.to_string(),
                    principal: acl.principal.to_string(),
                    host: acl.host.to_string(),
                    operation: acl.operation,
                    permission: acl.permission_type,
                });
            }
        }
        deleted.sort();
        Ok(deleted)
    }
}
