// Records of one kind, page by page. The cursor is in the address, so that Back and a reload work.
import { path, withQuery } from "../api.js";
import { count, duration, money, NONE, words } from "../format.js";
import { html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Pages, Table, Title, When } from "../parts.js";
import { link } from "../route.js";
import { KINDS, meaning, STATUSES } from "../words.js";

const LIMIT = 50;

export function sums(paid) {
  const given = Object.entries(paid ?? {});
  return given.length ? given.map(([currency, sum]) => money(sum, currency)).join(", ") : "–";
}

export function StatusBadge({ status }) {
  const [text, tone] = meaning(STATUSES, status, words);
  return html`<${Badge} tone=${tone}>${text}<//>`;
}

function orderOf({ order_key: key }) {
  return key ? html`<a href=${link(["orders", key])}>${key}</a>` : NONE;
}

const shop = {
  title: "Client / shop",
  cell: ({ record }) => [record.client_id, record.application_id].filter(Boolean).join(" / "),
};
const shops = { title: "Shops", cell: ({ record }) => (record.application_ids ?? []).join(", ") || "–" };
const heard = { title: "First heard of", cell: ({ record }) => html`<${When} at=${record.first_received_at} />` };
const changed = { title: "Last change", cell: ({ record }) => html`<${When} at=${record.last_changed_at} />` };
const outcome = { title: "Outcome", cell: ({ record }) => words(record.outcome ?? "none yet") };

/** The columns between the name of a record and its last change. */
const COLUMNS = {
  orders: [
    { title: "Status", cell: ({ record }) => html`<${StatusBadge} status=${record.status} />` },
    { title: "Paid", cell: ({ record }) => sums(record.paid), number: true },
    { title: "Payments", cell: ({ record }) => count(record.payments?.length), number: true },
    shop,
    heard,
  ],
  products: [
    { title: "Name", cell: ({ record }) => record.name ?? "–" },
    { title: "Prices", cell: ({ record }) => count(record.sale_prices?.length), number: true },
    { title: "Suppliers", cell: ({ record }) => count(record.suppliers?.length), number: true },
  ],
  customers: [shops, heard],
  companies: [shops, heard],
  subscriptions: [shop, { title: "Failed runs", cell: ({ record }) => count(record.failures), number: true }, heard],
  invoices: [outcome, { title: "Order", cell: ({ record }) => orderOf(record) }, heard],
  jobs: [outcome, { title: "Took", cell: ({ record }) => duration(record.seconds), number: true }, heard],
};

/** What people call a record. */
export function nameOf(kind, key, record) {
  if (kind === "orders") return record.order_no || record.client_order_ref || key;
  if (kind === "products") return record.part_no || key;
  const id = record.customer_id ?? record.company_id ?? record.captured_invoice_id ?? record.job_id;
  return id === null || id === undefined ? key : String(id);
}

export function List({ route }) {
  const kind = route.parts[0];
  const [title, one] = KINDS[kind];
  const after = route.query.get("after");
  const first = {
    title: one,
    cell: ({ key, record }) => html`<a href=${link([kind, key])}>${nameOf(kind, key, record)}</a>`,
  };
  const columns = [first, ...COLUMNS[kind], changed];
  const subtitle = "In the order of partitions and keys. The search finds each by any of its references.";
  return html`<${Title} subtitle=${subtitle}>${title}<//>
    <${Load} resource=${withQuery(path(kind), { after, limit: LIMIT })} what=${title.toLowerCase()}
      show=${({ items, next }) => (items.length === 0
        ? html`<${Empty} title=${`No ${title.toLowerCase()} here`} icon="box">
            They appear once Norce posts an event about one.<//>`
        : html`<${Table} caption=${title} rows=${items} keyOf=${(item) => item.key} columns=${columns} />
          <${Pages} place=${kind} after=${after} next=${next} number=${items.length} />`)} />`;
}
