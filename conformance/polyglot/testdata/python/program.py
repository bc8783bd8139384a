"""Finds the service "drill" through the agent's HTTP API, calls it, and prints the process that answered."""
import json
import os
import sys
import urllib.request

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "gen"))
from drill.v1 import drill_pb2, drill_pb2_grpc

url = "http://%s/v1/health/service/drill?passing" % os.environ["CONSUL_HTTP_ADDR"]
with urllib.request.urlopen(url) as answer:
    (entry,) = json.load(answer)
host = entry["Service"]["Address"] or entry["Node"]["Address"]
with grpc.insecure_channel("%s:%d" % (host, entry["Service"]["Port"])) as channel:
    stub = drill_pb2_grpc.DrillStub(channel)
    print("read by %d" % stub.Read(drill_pb2.Request(work_us=1)).pid)
    try:
        stub.Write(drill_pb2.Request(work_us=1))
    except grpc.RpcError as err:
        print("write: %s: %s" % (err.code().name.title().replace("_", ""), err.details()))
