package ui_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/ui"
	"github.com/pandakit/panda/internal/consulwire"
)

const refused = "Get \"http://10.0.0.7:8080/health\": dial tcp 10.0.0.7:8080: connect: connection refused"

// furnish fills the site with what a page must stand.
func furnish(t *testing.T, s *site) {
	t.Helper()
	s.set(t, "web", "web-1", consulwire.Passing, "HTTP GET http://10.0.0.7:8080/health: 200 OK Output: ok", "v1", "blue", "primary")
	s.set(t, "web", "web-2", consulwire.Critical, refused, "v1", "green")
	s.set(t, "web", "web-3", consulwire.Warning, "HTTP GET http://10.0.0.7:8080/health: 429 Too Many Requests Output: busy", "v2")
	s.set(t, "orders", "orders-1", consulwire.Passing, "ok", "grpc")
	s.set(t, "orders", "orders-2", consulwire.Passing, "ok", "grpc")
	s.set(t, "payments", "payments-1", consulwire.Warning, "slow: 812 ms", "grpc", "pci")
	s.set(t, "支付网关", "支付网关-1", consulwire.Passing, "正常", "生产环境", "版本二")
	s.set(t, "خدمة-البحث", "search-1", consulwire.Passing, "ok", "🐼", "emoji🎋")
	s.set(t, strings.Repeat("long-service-name-", 11), strings.Repeat("i", 200), consulwire.Critical,
		strings.Repeat("an output of ten kilobytes ", 380), manyTags(20)...)
	s.set(t, "batch", "batch-1", consulwire.Passing, "ok")
	s.write(t, func(w *catalog.Writer) error {
		c := check("n1", "batch-1", consulwire.ServiceMaintenancePrefix+"batch-1", "Service Maintenance Mode", consulwire.Critical, "")
		c.Notes = "moving to another disk"
		if err := w.SetCheck(c); err != nil {
			return err
		}
		return w.SetNode(&consulwire.Node{Node: "edge-cache-04.internal", Address: "10.0.0.12", Datacenter: "dc1", Meta: map[string]string{"rack": "r7"}})
	})
	s.kv.set("config/web/port", "8080")
	s.kv.set("config/web/tls/cert", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	s.kv.set("config/web/settings.json", "{\n  \"workers\": 8,\n  \"greeting\": \"你好\",\n  \"timeout\": \"30s\"\n}\n")
	s.kv.set("leader", "web-1").Session = "adf4238a-882b-9ddc-4a9d-5b6758e4159e"
	s.kv.set("logo.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	s.kv.set(strings.Repeat("k", 200), "")
	s.kv.sessions = []ui.Session{{ID: "adf4238a-882b-9ddc-4a9d-5b6758e4159e", Name: "leader election", Node: "n1", TTL: "15s", Behavior: "release", Checks: []string{"serfHealth"}, Keys: []string{"leader"}}}
}

func manyTags(n int) []string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprintf("tag-number-%d", i))
	}
	return append(tags, strings.Repeat("t", 200))
}

func TestPictures(t *testing.T) {
	s := newSite(t, false)
	furnish(t, s)
	p := startChromium(t).open(t, s)
	pages := map[string]string{
		"services": "/ui/services", "service": "/ui/service?name=web", "nodes": "/ui/nodes", "node": "/ui/node?name=n1", "keys": "/ui/kv",
		"key": "/ui/kv/key?key=" + url.QueryEscape("config/web/settings.json"), "binary": "/ui/kv/key?key=logo.png",
		"new": "/ui/kv/new?prefix=config/web/", "sessions": "/ui/sessions", "delete": "/ui/kv/delete?key=leader",
		"long": "/ui/service?name=" + strings.Repeat("long-service-name-", 11), "problem": "/ui/nowhere",
	}
	for _, look := range []struct {
		name     string
		width    int
		dark     bool
		language string
	}{
		{"desktop-light-en", 1280, false, "en"}, {"desktop-dark-zh", 1280, true, "zh-CN"},
		{"phone-light-zh", 360, false, "zh-CN"}, {"phone-dark-en", 360, true, "en"},
	} {
		p.size(look.width, 780)
		p.dark(look.dark)
		p.language(look.language)
		for name, path := range pages {
			p.goTo(path)
			p.picture(name + "-" + look.name)
			if over := p.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over != 0.0 {
				t.Errorf("%s, %s: %v px wider than the screen", name, look.name, over)
			}
			for _, faint := range p.run(contrast).([]any) {
				t.Errorf("%s, %s: %v", name, look.name, faint)
			}
		}
	}
	p.clean()
}

// contrast lists the texts whose contrast with what is behind them is below 4.5, or 3 where they are large.
const contrast = `(() => {
	const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return c.startsWith('color(') ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1]; };
	const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
	const faint = [];
	for (const e of document.querySelectorAll('body *')) {
		const says = [...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()) || ['INPUT', 'SELECT', 'TEXTAREA'].includes(e.tagName);
		if (!says || !e.checkVisibility()) continue;
		const style = getComputedStyle(e);
		const a = light(parse(style.color).slice(0, 3)), b = light(behind(e).slice(0, 3));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push(e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40) + ': contrast ' + ratio.toFixed(2));
	}
	return faint;
})()`
