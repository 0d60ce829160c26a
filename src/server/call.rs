//! A REST call whose key was checked before anything else of it was looked at.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::body;
use super::error::ApiError;
use super::state::App;
use crate::protocol::permission::Permission;
use crate::store::record::KeyRecord;

/// What a call needs.
pub(super) trait Needs {
    /// The least that its key must allow.
    const PERMISSION: Permission;
}

/// Calls that a `read` key may make.
pub(super) struct Read;

/// Calls that need a `write` key.
pub(super) struct Write;

/// Calls that need an `admin` key.
pub(super) struct Admin;

impl Needs for Read {
    const PERMISSION: Permission = Permission::Read;
}

impl Needs for Write {
    const PERMISSION: Permission = Permission::Write;
}

impl Needs for Admin {
    const PERMISSION: Permission = Permission::Admin;
}

/// A call with a live key of the team that it names, which has the permission that the call needs.
pub(super) struct Call<P> {
    /// The key.
    pub(super) key: Arc<KeyRecord>,
    /// The head of the request.
    pub(super) parts: Parts,
    body: Body,
    needs: PhantomData<P>,
}

impl<P: Needs> FromRequest<Arc<App>> for Call<P> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let key = app.access.caller(&parts, P::PERMISSION).await?;
        // Nothing that is stored is called that, and PostgreSQL cannot even be asked.
        if parts.uri.to_string().contains("%00") {
            return Err(ApiError::bad_request(
                "the address has a null character in it: leave out `%00`",
            ));
        }
        Ok(Self {
            key,
            parts,
            body,
            needs: PhantomData,
        })
    }
}

impl<P> Call<P> {
    /// The body, within the server's limit.
    pub(super) async fn body(&mut self, app: &App) -> Result<Bytes, ApiError> {
        let body = std::mem::take(&mut self.body);
        body::read(app, &self.parts, body, app.max_body_bytes).await
    }

    /// The body as a JSON object with the members of a type.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, app: &App) -> Result<T, ApiError> {
        body::parse(&self.body(app).await?)
    }
}
