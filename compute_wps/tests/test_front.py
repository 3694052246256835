import re

import pytest


@pytest.mark.django_db
def test_the_front_page_names_the_endpoint_and_its_links_answer(client):
    text = client.get("/").content.decode()
    assert "http://testserver/wps</code>" in text
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', text)]
    assert len(links) >= 5
    assert {link: client.get(link).status_code for link in links} == {
        link: 503 if link == "/ready" else 200 for link in links
    }
