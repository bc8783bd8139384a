package httpapi

import (
	"fmt"
	"net/http"
)

// aclEndpoints are those of access control lists, which are off.
func aclEndpoints() []endpoint {
	var all []endpoint
	for path, methods := range map[string]string{
		"bootstrap": "PUT", "login": "POST", "logout": "POST", "replication": "GET",
		"policies": "GET", "policy": "PUT", "policy/{id...}": "GET,PUT,DELETE", "policy/name/{name...}": "GET",
		"roles": "GET", "role": "PUT", "role/{id...}": "GET,PUT,DELETE", "role/name/{name...}": "GET",
		"binding-rules": "GET", "binding-rule": "PUT", "binding-rule/{id...}": "GET,PUT,DELETE",
		"auth-methods": "GET", "auth-method": "PUT", "auth-method/{name...}": "GET,PUT,DELETE",
		"tokens": "GET", "token": "PUT", "token/self": "GET", "token/{id...}": "GET,PUT,DELETE",
	} {
		all = append(all, endpoint{methods, "/v1/acl/" + path, aclDisabled})
	}
	for path, methods := range map[string]string{
		"create": "PUT", "update": "PUT", "destroy/{id...}": "PUT", "info/{id...}": "GET", "clone/{id...}": "PUT", "list": "GET",
		"rules/translate": "POST", "rules/translate/{id...}": "GET",
	} {
		all = append(all, endpoint{methods, "/v1/acl/" + path, aclRemoved})
	}
	return append(all,
		endpoint{http.MethodPut, "/v1/agent/token/{name...}", aclDisabled},
		endpoint{http.MethodPost, "/v1/internal/acl/authorize", aclDisabled},
	)
}

func aclDisabled(http.ResponseWriter, *http.Request) (any, error) {
	return nil, &statusError{http.StatusUnauthorized, "ACL support disabled"}
}

func aclRemoved(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, &statusError{http.StatusGone, fmt.Sprintf("Endpoint %s for the legacy ACL system was removed in Consul 1.11.", r.URL.Path)}
}
