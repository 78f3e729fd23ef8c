//! Finds rows of read models for one organisation. Every query on their tables begins here, so
//! that none can be written without a tenant; but for what the platform's staff see of all
//! organisations, which begins here too, and asks under the role that feeds the read models.

mod row;
pub(crate) mod time;

use std::marker::PhantomData;

use event_store::Sessions;
use serde::de::{self, DeserializeOwned};
use sqlx::{PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{Error, Model, ReadModel};

/// One organisation's rows in one generation of a read model.
#[derive(Clone, Debug)]
pub struct Finder<M> {
    pool: Sessions,
    tenant: Uuid,
    generation: i32,
    table: String,
    model: PhantomData<M>,
}

impl<M: ReadModel> Finder<M> {
    /// Looks into this generation; which one is live, [`crate::generation::live`] tells.
    pub fn new(pool: &Sessions, model: &'static M, generation: i32, tenant: Uuid) -> Self {
        let table = model.table(generation);
        Finder { pool: pool.clone(), tenant, generation, table, model: PhantomData }
    }

    pub fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn tenant(&self) -> Uuid {
        self.tenant
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    pub(crate) fn pool(&self) -> &Sessions {
        &self.pool
    }

    /// Begins a query for these columns.
    pub(crate) fn select<'a>(&self, columns: &str) -> Select<'a, M> {
        self.select_with(|sql| {
            sql.push(columns);
        })
    }

    /// Begins a query for the columns that a type has fields for, each by its name and none of them
    /// flattened.
    pub(crate) fn select_as<'a, T: DeserializeOwned>(&self) -> Select<'a, M> {
        self.select(&columns_of::<T>())
    }

    /// The same for each of these, by the name `each.id`.
    pub(crate) fn select_for_each<'a, T: DeserializeOwned>(&self, ids: Vec<Uuid>) -> Select<'a, M> {
        self.begin(
            |sql| {
                sql.push(" cross join unnest(").push_bind(ids).push(") each(id)");
            },
            |sql| {
                sql.push(columns_of::<T>());
            },
        )
    }

    /// Begins a query whose columns hold values.
    pub(crate) fn select_with<'a>(
        &self,
        columns: impl FnOnce(&mut QueryBuilder<'a, Postgres>),
    ) -> Select<'a, M> {
        self.begin(|_| {}, columns)
    }

    /// The tenant is told to the session in the same statement, for row security to see, without a
    /// transaction around it.
    fn begin<'a>(
        &self,
        beside: impl FnOnce(&mut QueryBuilder<'a, Postgres>),
        columns: impl FnOnce(&mut QueryBuilder<'a, Postgres>),
    ) -> Select<'a, M> {
        let mut sql = QueryBuilder::new("select q.* from (select set_config('app.tenant', ");
        sql.push_bind(self.tenant.to_string());
        sql.push(", true)::uuid as id offset 0) t");
        beside(&mut sql);
        sql.push(" cross join lateral (select ");
        columns(&mut sql);
        sql.push(format!(" from {} r where r.tenant_id = t.id", self.table));
        Select { pool: self.pool.clone(), sql, model: PhantomData }
    }
}

fn columns_of<T: DeserializeOwned>() -> String {
    let columns = row::columns::<T>();
    debug_assert!(!columns.is_empty(), "a type without fields of its own");
    columns.join(", ")
}

/// The rows of all organisations, for the platform.
#[derive(Clone, Debug)]
pub struct Everybody<M> {
    pool: Sessions,
    table: String,
    model: PhantomData<M>,
}

impl<M: ReadModel> Everybody<M> {
    /// `pool` must be one that sees them; the one that serves organisations sees none.
    pub fn new(pool: &PgPool, model: &'static M, generation: i32) -> Self {
        let table = model.table(generation);
        Everybody { pool: Sessions::unkept(pool.clone()), table, model: PhantomData }
    }

    /// Begins a query for whole rows.
    pub(crate) fn select<'a>(&self) -> Select<'a, M> {
        let begun = format!("select q.* from (select r.* from {} r where true", self.table);
        Select { pool: self.pool.clone(), sql: QueryBuilder::new(begun), model: PhantomData }
    }
}

/// How many rows are asked for: a page of what size ever, and one row more.
const SIZES: [i64; 5] = [1, 21, 51, 101, 201];

/// A query that is being written: conditions, then what order and how many.
pub(crate) struct Select<'a, M> {
    pool: Sessions,
    /// Stands behind a first condition.
    pub(crate) sql: QueryBuilder<'a, Postgres>,
    model: PhantomData<M>,
}

impl<'a, M: ReadModel> Select<'a, M> {
    /// Adds a condition, with the value in place of its `{}`, if there is a value.
    pub(crate) fn when<V>(&mut self, condition: &str, value: Option<V>) -> &mut Self
    where
        V: 'a + sqlx::Encode<'a, Postgres> + sqlx::Type<Postgres>,
    {
        if let Some(value) = value {
            let (before, after) = condition.split_once("{}").unwrap_or((condition, ""));
            self.sql.push(" and ").push(before).push_bind(value).push(after);
        }
        self
    }

    /// Adds the condition that a column holds one of these words, if there are any. They are our own
    /// and a part of the text: the planner knows how often each occurs.
    pub(crate) fn is_one_of(
        &mut self,
        column: &str,
        words: impl Iterator<Item = &'static str>,
    ) -> &mut Self {
        let words: Vec<String> = words.map(|word| format!("'{word}'")).collect();
        if !words.is_empty() {
            self.sql.push(format!(" and {column} in ({})", words.join(", ")));
        }
        self
    }

    pub(crate) async fn fetch<T: DeserializeOwned>(
        self,
        order: &str,
        limit: i64,
    ) -> Result<Vec<T>, Error> {
        let mut rows = self.fetch_each(order, limit).await?;
        rows.truncate(usize::try_from(limit).unwrap_or_default());
        Ok(rows)
    }

    /// So many, or a few more, for each that is selected for.
    pub(crate) async fn fetch_each<T: DeserializeOwned>(
        mut self,
        order: &str,
        limit: i64,
    ) -> Result<Vec<T>, Error> {
        // Ordered inside, so that the limit takes the right ones off an index. What depends on the row
        // that tells the tenant can only be joined to it by a loop, which keeps its order, and where
        // there is no such row nothing is joined: to sort whole rows once more takes a quarter of what
        // finding them does.
        // The limit is a part of the text: a plan that is made once has to know that it is small. Of
        // a few sizes, so that there are few such plans.
        let size = SIZES.into_iter().find(|size| *size >= limit).unwrap_or(limit);
        self.sql.push(format!(" order by {order} limit {size}) q"));
        self.read().await
    }

    /// All rows, in no order: one that an index has would keep several keys from being looked up in
    /// it, each by itself.
    pub(crate) async fn fetch_all<T: DeserializeOwned>(mut self) -> Result<Vec<T>, Error> {
        self.sql.push(") q");
        self.read().await
    }

    async fn read<T: DeserializeOwned>(mut self) -> Result<Vec<T>, Error> {
        let rows = self.sql.build().fetch_all(&self.pool).await?;
        let unreadable =
            |error: de::value::Error| Error::Row { model: M::NAME, reason: error.to_string() };
        row::read_all(&rows).map_err(unreadable)
    }

    pub(crate) async fn fetch_one<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        Ok(self.fetch("1", 1).await?.pop())
    }
}
