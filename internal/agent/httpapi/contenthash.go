package httpapi

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"reflect"
	"strconv"

	"github.com/pandakit/panda/internal/consulwire"
)

// contentHash returns the hash that Consul tells of a service: of the names and values of all fields of its own types,
// whose order does not count. Two agents that tell the same service tell the same hash.
func contentHash(service *consulwire.AgentService) string {
	return strconv.FormatUint(hashOf(reflect.ValueOf(service)), 16)
}

// theirNames are Consul's names of types that are called otherwise here.
var theirNames = map[string]string{
	"Weights": "AgentWeights", "LocalProxy": "AgentServiceConnectProxyConfig", "LocalUpstream": "Upstream", "LocalExpose": "ExposeConfig",
	"LocalExposePath": "ExposePath", "MeshGateway": "MeshGatewayConfig", "TransparentProxy": "TransparentProxyConfig", "Connect": "AgentServiceConnect",
}

// theirFields are fields of Consul's types that say nothing here, and are part of the hash all the same.
var theirFields = map[string]map[string]any{
	"AgentService":  {"CreateIndex": uint64(0), "ModifyIndex": uint64(0), "PeerName": ""},
	"LocalUpstream": {"CentrallyConfigured": false, "DestinationPeer": ""},
	"Connect":       {"SidecarService": nil},
}

func hashOf(v reflect.Value) uint64 {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() { //nolint:exhaustive // what services are made of
	case reflect.Invalid: // nil is like 0
		return hashBytes(make([]byte, 8))
	case reflect.String:
		return hashBytes([]byte(v.String()))
	case reflect.Struct:
		return hashStruct(v)
	case reflect.Map:
		var sum uint64
		for key, value := range v.Seq2() {
			sum ^= hashPair(hashOf(key), hashOf(value))
		}
		return sum
	case reflect.Slice:
		var sum uint64
		for i := range v.Len() {
			sum = hashPair(sum, hashOf(v.Index(i)))
		}
		return sum
	case reflect.Bool:
		if v.Bool() {
			return hashBytes([]byte{1})
		}
		return hashBytes([]byte{0})
	}
	number := v.Interface()
	if v.Kind() == reflect.Int {
		number = v.Int()
	}
	b, err := binary.Append(nil, binary.LittleEndian, number)
	if err != nil {
		panic(fmt.Sprintf("hash a %s: %v", v.Type(), err)) // a service has no such field
	}
	return hashBytes(b)
}

func hashStruct(v reflect.Value) uint64 {
	name := v.Type().Name()
	theirs := name
	if other, ok := theirNames[name]; ok {
		theirs = other
	}
	sum := hashBytes([]byte(theirs))
	for n := range v.NumField() {
		if field := v.Type().Field(n).Name; field != "Datacenter" || name != "AgentService" {
			sum ^= hashPair(hashBytes([]byte(field)), hashOf(v.Field(n)))
		}
	}
	for field, value := range theirFields[name] {
		sum ^= hashPair(hashBytes([]byte(field)), hashOf(reflect.ValueOf(value)))
	}
	return sum
}

func hashBytes(b []byte) uint64 {
	h := fnv.New64()
	_, _ = h.Write(b) // never fails
	return h.Sum64()
}

func hashPair(a, b uint64) uint64 {
	return hashBytes(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, a), b))
}
