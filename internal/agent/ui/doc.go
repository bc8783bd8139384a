// Package ui shows the embedded agent to people, at /ui/: services and their instances, checks and what they said,
// nodes, keys and sessions, in English and Chinese. Pages are written by the server and work without JavaScript, as
// links and forms; with it they follow the catalog through blocking queries.
//
// Everything that a page needs comes from the agent itself, scripts and fonts included: the package never refers to
// another host. It starts no goroutine, keeps no session of its own and decides nothing about health. It changes keys
// only, never services, and nothing at all when read-only.
package ui
