"""Folded boxes are native `<details>`, which work without JavaScript and in print."""

import re


def mend_boxes(soup):
    for box in soup.select("div.admonition.dropdown"):
        title = box.find(class_="admonition-title", recursive=False) or untitled(soup, box)
        box.name, title.name = "details", "summary"
    # sphinx-exercise gives every box a nameless section with the same id
    for section in soup.select(".admonition > section"):
        section.name = "div"
        if section.get("id", "").endswith("-content"):
            del section["id"]
    for tag in soup.find_all(id=re.compile("/")):  # sphinx-exercise: "folder/page-solution-1"
        if not soup.find("a", href="#" + tag["id"]):
            tag["id"] = tag["id"].replace("/", "-")
    for proof in soup.find_all(id="proof"):  # sphinx-proof: the same for every proof without a label
        del proof["id"]
    for summary in soup.select("summary[aria-label]"):
        del summary["aria-label"]  # it hides the visible words, "Show a solution"
    for script in soup.find_all("script", string=re.compile("kernelName|requestKernel")):
        script.decompose()


def untitled(soup, box):
    """A title for a proof, whose text begins with that word, or for whatever else has none."""
    kind = "Proof" if "proof" in box["class"] else "More"
    first = next((text for text in box.find_all(string=True) if text.strip()), None)
    if first and first.startswith(f"{kind}. "):
        first.replace_with(first.removeprefix(f"{kind}. "))
    title = soup.new_tag("p", attrs={"class": "admonition-title"})
    title.string = kind
    box.insert(0, title)
    return title
