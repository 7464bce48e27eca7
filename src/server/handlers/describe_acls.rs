//! DescribeAcls (key 29), versions 0-3: the access control lists that a filter selects (KIP-140).
//!
//! Lists of one pattern are told together, patterns in their order.
//!
//! Deviations from Apache Kafka: at a filter with numbers of no type, operation or permission Kafka
//! ends the connection or selects nothing; here it is INVALID_REQUEST. Version 0 knows no prefixes:
//! it is told of literal patterns only, as in Kafka.
//!
//! - 0: first layout, literal patterns only (`forebay.legacy.protocol.enable`)
//! - 1: the request gains the way of comparing names, the response the pattern type (KIP-290); the
//!   first version of Kafka 4 (KIP-896)
//! - 2: flexible encoding (KIP-482)
//! - 3: resources of type USER may be named (KIP-373)

use std::borrow::Cow;
use std::sync::Arc;

use access::{Acl, AclFilter, Operation};
use metadata::Refusal;
use wire::WireError;
use wire::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::acls::{Travelling, disabled};
use crate::handlers::altering::told;
use crate::handlers::read;
use crate::table::Request;

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeAclsRequest<'_> = read(&mut request)?;
    let filter = filter(context, &asked);
    let image = context.broker().image();
    let (outcome, resources) = match &filter {
        Ok(filter) => (
            None,
            resources(image.acls().select(filter).map(|(acl, _)| acl)),
        ),
        Err(refusal) => (Some(refusal), Vec::new()),
    };
    let (error_code, error_message) = told(outcome);
    Ok(question.answer(&DescribeAclsResponse {
        throttle_time_ms: 0,
        error_code,
        error_message,
        resources,
    }))
}

fn filter(context: &Context, asked: &DescribeAclsRequest<'_>) -> Result<AclFilter, Refusal> {
    let access = context.access();
    access.cluster(Operation::Describe).map_err(denied)?;
    if !access.is_controlled() {
        return Err(disabled());
    }
    let travelling = Travelling {
        resource_type: asked.resource_type_filter,
        pattern_type: asked.pattern_type_filter,
        name: asked.resource_name_filter.as_ref(),
        principal: asked.principal_filter.as_ref(),
        host: asked.host_filter.as_ref(),
        operation: asked.operation,
        permission: asked.permission_type,
    };
    travelling.read()
}

/// Sorted lists, gathered by their patterns.
fn resources<'a>(acls: impl Iterator<Item = &'a Arc<Acl>>) -> Vec<DescribeAclsResource<'a>> {
    let mut resources: Vec<DescribeAclsResource<'a>> = Vec::new();
    for acl in acls {
        let description = AclDescription {
            principal: Cow::Borrowed(&acl.principal),
            host: Cow::Borrowed(&acl.host),
            operation: acl.operation.code(),
            permission_type: acl.permission.code(),
        };
        let is_same = |resource: &&mut DescribeAclsResource<'_>| {
            resource.resource_type == acl.resource_type.code()
                && resource.pattern_type == acl.pattern_type.code()
                && resource.resource_name == acl.name
        };
        match resources.last_mut().filter(is_same) {
            Some(resource) => resource.acls.push(description),
            None => resources.push(DescribeAclsResource {
                resource_type: acl.resource_type.code(),
                resource_name: Cow::Borrowed(&acl.name),
                pattern_type: acl.pattern_type.code(),
                acls: vec![description],
            }),
        }
    }
    resources
}
