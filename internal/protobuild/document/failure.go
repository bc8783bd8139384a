package document

// The names of gRPC's codes as the Connect protocol writes them.
var connectCodes = []string{
	"canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied", "resource_exhausted",
	"failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
}

// connectError is the schema of an error in the Connect protocol.
func connectError() object {
	detail := object{
		{"type", "object"},
		{"properties", object{
			{"type", object{{"type", "string"}, {"description", "The full name of the message in value."}}},
			{"value", object{{"type", "string"}, {"contentEncoding", "base64"}}},
		}},
		{"additionalProperties", true},
	}
	return object{
		{"type", "object"},
		{"description", "Why a call failed, as the Connect protocol tells it."},
		{"properties", object{
			{"code", object{{"type", "string"}, {"enum", texts(connectCodes...)}}},
			{"message", object{{"type", "string"}}},
			{"details", object{{"type", "array"}, {"items", detail}}},
		}},
	}
}

// statusError is the schema of an error of a method with google.api.http.
func statusError() object {
	details, _ := wellKnown("google.protobuf.Any")
	return object{
		{"type", "object"},
		{"description", "Why a call failed."},
		{"properties", object{
			{"code", object{{"type", "integer"}, {"format", "int32"}, {"description", "One of gRPC's codes, from 1 to 16."}}},
			{"message", object{{"type", "string"}}},
			{"details", object{{"type", "array"}, {"items", details}}},
		}},
	}
}
