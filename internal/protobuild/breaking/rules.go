package breaking

import "slices"

// Rule is one thing that may not be changed.
type Rule struct {
	ID         string
	Categories []Category
	What       string // the change, as a sentence
	Why        string // whom it breaks, to stand after a colon

	topic string // the kind of change, shared by rules that judge the same change
	check func(*pass)
}

// Rules returns all rules, sorted by ID. The slice is the caller's.
func Rules() []Rule {
	list := slices.Clone(rules)
	slices.SortFunc(list, func(a, b Rule) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// ByID returns the rule with an ID.
func ByID(id string) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// The sets of categories that rules are in.
var (
	onlySource  = []Category{Source}
	onlyCallers = []Category{Callers}
	calls       = []Category{Source, Callers}
	jsonUp      = []Category{JSON, Source, Callers}
	wireUp      = []Category{Wire, JSON, Source, Callers}
	forms       = []Category{Wire, JSON, Callers} // source code has a stricter rule
	onlyWire    = []Category{Wire}
	onlyJSON    = []Category{JSON, Callers}
)

var rules = slices.Concat(deletionRules, numberRules, fieldRules, enumRules, rpcRules, fileRules)

var deletionRules = []Rule{
	{
		"FILE_NO_DELETE", onlySource, "A file is removed or renamed.",
		"files that import it no longer compile", "file", filesKept,
	},
	{
		"MESSAGE_NO_DELETE", onlySource, "A message is removed from its file.",
		"code that uses it no longer compiles", "message", messagesKept,
	},
	{
		"ENUM_NO_DELETE", onlySource, "An enum is removed from its file.",
		"code that uses it no longer compiles", "enum", enumsKept,
	},
	{
		"EXTENSION_NO_DELETE", onlySource, "An extension is removed from its file.",
		"code that uses it no longer compiles", "extension", extensionsKept,
	},
	{
		"SERVICE_NO_DELETE", onlySource, "A service is removed from its file.",
		"clients no longer compile, and calls of those that run end with UNIMPLEMENTED", "service", servicesKept,
	},
	{
		"PACKAGE_SERVICE_NO_DELETE", onlyCallers, "A service is in no file any more.",
		"calls of clients that run end with UNIMPLEMENTED", "service-anywhere", servicesKeptAnywhere,
	},
	{
		"RPC_NO_DELETE", calls, "A method is removed from its service.",
		"clients no longer compile, and calls of those that run end with UNIMPLEMENTED", "method", pairsOfServices(methodsKept),
	},
	{
		"ONEOF_NO_DELETE", onlySource, "A oneof is removed from its message.",
		"code that uses its wrapper types no longer compiles", "oneof", pairsOfMessages(oneofsKept),
	},
}

// numberRules are about numbers and names that were taken: they must not come to mean something else.
var numberRules = []Rule{
	{
		"FIELD_NO_DELETE", onlySource, "A field is removed.",
		"code that uses it no longer compiles", "field", pairsOfMessages(fieldsKept),
	},
	{
		"FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", forms, "A field is removed and its number is not reserved.",
		"the number is free to be given to another field, which would then be read from old data and old senders", "field", pairsOfMessages(fieldNumbersReserved),
	},
	{
		"FIELD_NO_DELETE_UNLESS_NAME_RESERVED", onlyJSON, "A field is removed and its name is not reserved.",
		"the name is free to be given to another field, which would then be read from old JSON", "field", pairsOfMessages(fieldNamesReserved),
	},
	{
		"ENUM_VALUE_NO_DELETE", onlySource, "An enum value is removed.",
		"code that uses it no longer compiles", "enum-value", pairsOfEnums(valuesKept),
	},
	{
		"ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED", forms, "An enum value is removed and its number is not reserved.",
		"the number is free to be given to another value, which would then be read from old data and old senders", "enum-value", pairsOfEnums(valueNumbersReserved),
	},
	{
		"ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED", onlyJSON, "An enum value is removed and its name is not reserved.",
		"JSON that has the name is refused, and the name is free to be given to another number", "enum-value", pairsOfEnums(valueNamesReserved),
	},
	{
		"RESERVED_MESSAGE_NO_DELETE", wireUp, "A message no longer reserves a number or a name.",
		"it was reserved because old data has it, and is free to be given to another field now", "reserved", pairsOfMessages(messageReserves),
	},
	{
		"RESERVED_ENUM_NO_DELETE", wireUp, "An enum no longer reserves a number or a name.",
		"it was reserved because old data has it, and is free to be given to another value now", "reserved", pairsOfEnums(enumReserves),
	},
	{
		"EXTENSION_MESSAGE_NO_DELETE", onlySource, "A message no longer lets a range of numbers be extended.",
		"extensions in that range no longer compile", "extension-range", pairsOfMessages(extensionRangesKept),
	},
}

var fieldRules = []Rule{
	{
		"FIELD_SAME_NAME", jsonUp, "A field is renamed.",
		"code that uses it no longer compiles, and text and JSON under the old name are no longer read", "field-name", pairsOfFields(sameName),
	},
	{
		"FIELD_SAME_JSON_NAME", jsonUp, "The name of a field in JSON changes.",
		"JSON under the old name is no longer read", "json-name", pairsOfFields(sameJSONName),
	},
	{
		"FIELD_SAME_TYPE", onlySource, "The type of a field changes.",
		"code that sets or gets it no longer compiles", "field-type", pairsOfFields(sameType),
	},
	{
		"FIELD_WIRE_JSON_COMPATIBLE_TYPE", onlyJSON, "The type of a field changes to one that JSON or the binary form does not hold alike.",
		"the other side's JSON is refused or read as another value", "field-type", pairsOfFields(jsonType),
	},
	{
		"FIELD_WIRE_COMPATIBLE_TYPE", onlyWire, "The type of a field changes to one that the binary form does not hold alike.",
		"the other side's bytes are dropped or read as another value", "field-type", pairsOfFields(wireType),
	},
	{
		"FIELD_SAME_CARDINALITY", onlySource, "A field becomes, or is no longer, repeated, a map, required, or one that knows whether it is set.",
		"its type in generated code changes, and code that uses it no longer compiles", "cardinality", pairsOfFields(sameCardinality),
	},
	{
		"FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY", onlyJSON, "A field changes between one, many, map and required.",
		"the other side's JSON is refused", "cardinality", pairsOfFields(jsonCardinality),
	},
	{
		"FIELD_WIRE_COMPATIBLE_CARDINALITY", onlyWire, "A field changes between one, many and required.",
		"the other side loses all values but the last, or misses one that is required", "cardinality", pairsOfFields(wireCardinality),
	},
	{
		"FIELD_SAME_ONEOF", wireUp, "A field is moved into, out of or between oneofs.",
		"setting one field of a oneof clears the others, so that one side drops what the other has sent", "field-oneof", pairsOfFields(sameOneof),
	},
	{
		"FIELD_SAME_DEFAULT", wireUp, "The default of a field changes.",
		"a field that is not sent means one value to the one side and another to the other", "default", pairsOfFields(sameDefault),
	},
	{
		"FIELD_SAME_UTF8_VALIDATION", onlySource, "Whether a string must be UTF-8 changes.",
		"what the one side takes the other refuses", "utf8", pairsOfFields(sameUTF8),
	},
	{
		"FIELD_SAME_JAVA_UTF8_VALIDATION", onlySource, "Whether Java checks that a string is UTF-8 changes.",
		"what Java took it refuses, or the other way round", "java-utf8", pairsOfFields(sameJavaUTF8),
	},
	{
		"FIELD_SAME_JSTYPE", onlySource, "The JavaScript type of a 64-bit field changes.",
		"JavaScript code that uses it gets another type", "jstype", pairsOfFields(sameJSType),
	},
	{
		"FIELD_SAME_CPP_STRING_TYPE", onlySource, "The C++ type of a string or bytes field changes.",
		"C++ code that uses it no longer compiles", "ctype", pairsOfFields(sameCType),
	},
	{
		"MESSAGE_SAME_REQUIRED_FIELDS", wireUp, "A required field is added or removed.",
		"a message without it is refused by the side that requires it", "required", pairsOfMessages(sameRequired),
	},
	{
		"MESSAGE_SAME_JSON_FORMAT", jsonUp, "A message no longer promises that its JSON form works.",
		"its fields may then have names that clash in JSON", "json-format", pairsOfMessages(messageJSONFormat),
	},
	{
		"MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR", onlySource, "A message gives up its descriptor accessor.",
		"code that calls it no longer compiles", "accessor", pairsOfMessages(accessorKept),
	},
}

var enumRules = []Rule{
	{
		"ENUM_SAME_TYPE", onlySource, "An enum changes between open and closed.",
		"the one side keeps numbers that it does not know, and the other sets them aside", "enum-type", pairsOfEnums(sameEnumType),
	},
	{
		"ENUM_SAME_JSON_FORMAT", jsonUp, "An enum no longer promises that its JSON form works.",
		"its values may then have names that clash in JSON", "json-format", pairsOfEnums(enumJSONFormat),
	},
	{
		"ENUM_VALUE_SAME_NAME", jsonUp, "An enum value is renamed.",
		"code that uses it no longer compiles, and JSON that has the old name is refused", "value-name", pairsOfEnums(sameValueNames),
	},
}

var rpcRules = []Rule{
	{
		"RPC_SAME_REQUEST_TYPE", wireUp, "A method takes another message.",
		"what clients send is read as something else", "request", pairsOfMethods(sameRequest),
	},
	{
		"RPC_SAME_RESPONSE_TYPE", wireUp, "A method answers with another message.",
		"what the server sends is read as something else", "response", pairsOfMethods(sameResponse),
	},
	{
		"RPC_SAME_CLIENT_STREAMING", wireUp, "A method begins or ceases to take a stream.",
		"clients send in a way that the server does not expect", "client-streaming", pairsOfMethods(sameClientStreaming),
	},
	{
		"RPC_SAME_SERVER_STREAMING", wireUp, "A method begins or ceases to answer with a stream.",
		"the server answers in a way that clients do not expect", "server-streaming", pairsOfMethods(sameServerStreaming),
	},
	{
		"RPC_SAME_IDEMPOTENCY_LEVEL", wireUp, "The idempotency of a method changes.",
		"clients may send a call twice, or by GET, only while both sides agree that this is safe", "idempotency", pairsOfMethods(sameIdempotency),
	},
}
