// Uses what the npm package "consul" has for an agent, and ends with an error at the first thing that is not so.
import assert from "node:assert/strict";
import Consul from "consul";

const [address, nodeName] = process.argv.slice(2);
const [host, port] = address.split(":");
const consul = new Consul({ host, port: Number(port) });

async function until(what, holds) {
  const end = Date.now() + 30000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${what}: not in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// The next change that a watch tells of, after what there was when it began.
function watching(method, options) {
  const watch = consul.watch({ method, options, backoffFactor: 10 });
  const told = [];
  watch.on("change", (data) => told.push(data));
  watch.on("error", () => {}); // a key that does not exist yet is one
  return { told, end: () => watch.end() };
}

async function services() {
  await consul.agent.service.register({
    id: "node-1", name: "from-node", port: 3000, address: "127.0.0.1", tags: ["js"], meta: { k: "v" },
    check: { name: "ttl", ttl: "30s" },
  });
  const watch = watching(consul.health.service, { service: "from-node", passing: true });
  await until("the first answer", () => watch.told.length > 0);
  assert.equal(watch.told[0].length, 0);
  await consul.agent.check.pass("service:node-1");
  await until("the watch tells of the instance", () => watch.told.at(-1).length === 1);
  assert.equal(watch.told.at(-1)[0].Service.Meta.k, "v");
  watch.end();
  assert.deepEqual((await consul.catalog.service.list())["from-node"], ["js"]);
  assert.equal((await consul.catalog.service.nodes("from-node"))[0].ServicePort, 3000);
  assert.ok((await consul.agent.service.list())["node-1"]);
  assert.ok((await consul.agent.checks())["service:node-1"]);
  await consul.agent.service.maintenance({ id: "node-1", enable: true, reason: "disks" });
  await until("maintenance", async () => (await consul.health.service({ service: "from-node", passing: true })).length === 0);
  await consul.agent.service.maintenance({ id: "node-1", enable: false });
  await consul.agent.check.warn("service:node-1");
  await consul.agent.check.fail("service:node-1");
  assert.equal((await consul.health.checks("from-node"))[0].Status, "critical");
  await consul.agent.service.deregister("node-1");
  assert.equal((await consul.catalog.service.list())["from-node"], undefined);
}

async function keys() {
  const watch = watching(consul.kv.get, { key: "node/a" });
  assert.equal(await consul.kv.set("node/a", "1"), true);
  await until("the watch tells of the key", () => watch.told.some((pair) => pair?.Value === "1"));
  watch.end();
  const pair = await consul.kv.get("node/a");
  assert.equal(pair.Value, "1");
  assert.notEqual(await consul.kv.set({ key: "node/a", value: "2", cas: String(pair.ModifyIndex + 1) }), true); // it makes undefined of false
  assert.equal(await consul.kv.set({ key: "node/a", value: "2", cas: String(pair.ModifyIndex), flags: 5 }), true);
  assert.equal((await consul.kv.get("node/a")).Flags, 5);
  assert.deepEqual(await consul.kv.keys("node/"), ["node/a"]);
  assert.equal((await consul.kv.get({ key: "node/", recurse: true })).length, 1);
  assert.equal(await consul.kv.get("nothing"), undefined);
  await consul.transaction.create([{ KV: { Verb: "set", Key: "node/b", Value: Buffer.from("x").toString("base64") } }]);
  await consul.kv.del({ key: "node/", recurse: true });
  assert.equal(await consul.kv.get("node/a"), undefined);
}

async function sessions() {
  const { ID } = await consul.session.create({ name: "node", ttl: "15s", behavior: "delete" });
  assert.equal(await consul.kv.set({ key: "held", value: "x", acquire: ID }), true);
  assert.equal((await consul.session.renew(ID))[0].TTL, "15s");
  assert.equal((await consul.session.list()).length, 1);
  assert.equal((await consul.session.node(nodeName)).length, 1);
  assert.equal(await consul.kv.set({ key: "held", value: "y", release: ID }), true);
  await consul.session.destroy(ID);
  assert.equal((await consul.session.list()).length, 0);
}

async function others() {
  assert.equal((await consul.agent.self()).Config.NodeName, nodeName);
  assert.equal((await consul.agent.members())[0].Name, nodeName);
  assert.ok(await consul.status.leader());
  assert.equal((await consul.status.peers()).length, 1);
  assert.deepEqual(await consul.catalog.datacenters(), ["dc1"]);
  assert.equal((await consul.catalog.node.list())[0].Node, nodeName);
  assert.ok((await consul.catalog.node.services(nodeName)).Services.consul);
  assert.ok((await consul.health.node(nodeName)).length > 0);
  assert.ok((await consul.health.state("passing")).length > 0);
  await consul.event.fire("deploy", "v2");
  await until("the event", async () => (await consul.event.list("deploy")).length === 1);
}

await services();
await keys();
await sessions();
await others();
console.log("all done");
