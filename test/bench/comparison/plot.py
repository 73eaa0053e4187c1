"""The plot: bars of the CPU time of a request, to redis-server's own GET, three pipelines for each scenario."""

from xml.sax.saxutils import escape

from .figures import Figures
from .scenarios import BASE, REFERENCE

WIDTH, LEFT, RIGHT, TOP = 900, 170, 60, 96
BAR, GAP, FOOT = 11, 12, 46
MOST = 2.5  # a longer bar is cut, and says so by its figure
COLOURS = ("#9ecae1", "#4292c6", "#08519c")
STYLE = ("text{font-family:DejaVu Sans,Helvetica,Arial,sans-serif;font-size:12px;fill:#222}"
         ".title{font-size:17px;font-weight:bold}.small{font-size:10px;fill:#555}.grid{stroke:#ddd}.one{stroke:#c33}")


def text(x, y, content, style="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(content)}</text>'


def x_of(ratio):
    return LEFT + min(ratio, MOST) / MOST * (WIDTH - LEFT - RIGHT)


def head(run):
    yield text(16, 28, "CPU time per request, to redis-server's own GET over TCP", "title")
    yield text(16, 48, "The server's own process, user and system time; 50 connections, 64 B values; "
                       f"medians of {run['rounds']} rounds. Shorter is cheaper.", "small")
    for number, (point, colour) in enumerate(zip(BASE, COLOURS)):
        x = 16 + 110 * number
        yield f'<rect x="{x}" y="60" width="12" height="12" fill="{colour}"/>'
        yield text(x + 18, 70.5, f"pipeline {point.pipeline}")


def grid(bottom):
    for tenths in range(0, int(MOST * 10) + 1, 5):
        x = x_of(tenths / 10)
        style = "one" if tenths == 10 else "grid"
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" class="{style}"/>'
        yield text(x, bottom + 16, f"{tenths / 10:.1f}", "small", "middle")


def bars(name, ratios, top):
    yield text(LEFT - 10, top + 1.5 * BAR + 4, name, anchor="end")
    for number, (ratio, colour) in enumerate(zip(ratios, COLOURS)):
        if ratio is None:
            continue
        y = top + number * BAR
        end = x_of(ratio)
        yield f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR - 1}" fill="{colour}"/>'
        yield text(end + 5, y + BAR - 2, f"{ratio:.2f}" + (" (cut)" if ratio > MOST else ""), "small")


def svg(run):
    figures = Figures(run)
    rows = [(name, [figures.ratio(name, point) for point in BASE]) for name in figures.scenarios()
            if name != REFERENCE]
    bottom = TOP + len(rows) * (3 * BAR + GAP)
    parts = [*head(run), *grid(bottom)]
    for number, (name, ratios) in enumerate(rows):
        parts += bars(name, ratios, TOP + number * (3 * BAR + GAP))
    parts.append(text(16, bottom + 36, f"{run['cpu']}, {run['cores']} cores, Linux {run['kernel']}", "small"))
    height = bottom + FOOT
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}">\n<style>{STYLE}</style>\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
