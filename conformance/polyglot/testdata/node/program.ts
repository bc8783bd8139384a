// Finds the service "drill" through the agent's HTTP API, calls it, and prints the process that answered.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Drill } from "./gen/drill/v1/drill_pb.js";

interface Entry {
  Node: { Address: string };
  Service: { Address: string; Port: number };
}

const answer = await fetch(`http://${process.env.CONSUL_HTTP_ADDR}/v1/health/service/drill?passing`);
const entries = (await answer.json()) as Entry[];
if (entries.length !== 1) {
  throw new Error(`${entries.length} instances`);
}
const { Node, Service } = entries[0];
const transport = createGrpcTransport({ baseUrl: `http://${Service.Address || Node.Address}:${Service.Port}` });
const client = createClient(Drill, transport);
const reply = await client.read({ workUs: 1 });
console.log(`read by ${reply.pid}`);
try {
  await client.write({ workUs: 1 });
} catch (err) {
  const { code, rawMessage } = ConnectError.from(err);
  console.log(`write: ${Code[code]}: ${rawMessage}`);
}
